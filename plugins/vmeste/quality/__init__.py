"""What makes a row acceptable: types from the form, expectations, and what is said when one is broken."""
