"""The quarterly release: from the candidate's marts to the page, the workbook and the frozen published schema."""
