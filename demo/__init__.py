"""What `make demo` and `make airflow` run: a real Airflow beside a stand-in PureTalk, both on this machine only.

Nothing here is part of the package. Everything that is written lies in `.demo/` and in the temporary folder.
"""
