"""Why a refresh stops before its release. Apart from the steps, because Airflow imports these when it reads the DAG."""


class GateClosed(Exception):
    """The quarter cannot be refreshed yet; the message says what is missing and what to do."""


class ChecksFailed(Exception):
    """A claim about the candidate does not hold: nothing of it may be shown for approval."""


class CandidateBusy(Exception):
    """Another refresh uses the candidate's schemas at this moment, or rows go on arriving."""


class FilesNotWritten(Exception):
    """The page or the workbook cannot be made or kept; the message says what stands and how to go on."""
