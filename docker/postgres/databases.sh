#!/usr/bin/env bash
# Runs once, when the server's volume is empty: a user and a database for each kind of data, nobody in another's.
set -euo pipefail

database() { # user, password, further rights
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set name="$1" --set password="$2" <<SQL
create role :"name" login $3 password :'password';
create database :"name" owner :"name" template template0 encoding 'UTF8';
revoke all on database :"name" from public;
SQL
}

# the warehouse's owner makes the roles of its migrations and acts as each of them
database vmeste "$VMESTE_WAREHOUSE_PASSWORD" createrole
database vmeste_vault "$VMESTE_VAULT_PASSWORD" ""
database airflow "$AIRFLOW_DATABASE_PASSWORD" ""
database superset "$SUPERSET_DATABASE_PASSWORD" ""
