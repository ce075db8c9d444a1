"""Sites of files that are built at night and shown behind Airflow's log-in: Data Docs and dbt's documentation."""
