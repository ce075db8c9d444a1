"""Messages to people: what they are told of, in which words, and by which of Airflow's notifiers."""
