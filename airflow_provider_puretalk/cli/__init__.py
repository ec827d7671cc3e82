"""The command line: ``airflow puretalk ...`` (Airflow 3.2 and newer) and ``python -m airflow_provider_puretalk ...``.

Both go through one parser (:mod:`.parser`) and one way of running a command (:mod:`.main`). The commands
only call what is a library elsewhere, and print what it gives.
"""
