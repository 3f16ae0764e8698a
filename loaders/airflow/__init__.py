"""The DAGs of Airflow, made from the list of sources. They run the project's commands, no more.

`AIRFLOW__CORE__DAGS_FOLDER` names this folder. Airflow lives in an environment of its own, without
dlt and dbt. Nothing else in `loaders` imports this package or Airflow.
"""
