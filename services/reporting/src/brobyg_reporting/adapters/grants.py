"""Who may do what in reporting's database, beside the service's rights to its fixed tables.

The service makes a schema for each version and the views on the live one, and owns those. Analysts
read the views and nothing else: not the tables of a version, nor what the mechanism keeps.
"""

from brobyg_reporting.adapters.tables import SCHEMA

#: The group that every analyst's login is in. It can't sign in itself.
ANALYSTS = "brobyg_analyst"
_MAKE_GROUP = f"""
    do $$ begin
        create role {ANALYSTS} nologin;
    exception when duplicate_object or unique_violation then null;
    end $$
"""
#: Before services had logins of their own, the databases' owner had made versions and views. Each
#: attempt waits for readers less long than the server's deadlock timeout (1 s), so that it is never
#: a reader that is ended.
_HAND_OVER = f"""
    do $$ declare one record; begin
        for attempt in 1..60 loop
            begin
                set local lock_timeout = '200ms';
                for one in
                    select c.oid::regclass as name,
                        case relkind when 'v' then 'view' else 'table' end as kind
                    from pg_class c join pg_namespace n on n.oid = relnamespace
                    where relowner = current_user::regrole and (
                        (starts_with(nspname, 'projection_') and relkind = 'r')
                        or (nspname = '{SCHEMA}' and relkind = 'v')
                    )
                    order by relkind desc
                loop
                    execute format('alter %s %s owner to {{role}}', one.kind, one.name);
                end loop;
                set local lock_timeout = 0;
                exit;
            exception when lock_not_available or deadlock_detected then
                if attempt = 60 then raise; end if;
            end;
            perform pg_sleep(0.05);
        end loop;
        for one in
            select quote_ident(nspname) as name from pg_namespace
            where starts_with(nspname, 'projection_') and nspowner = current_user::regrole
        loop
            execute format('alter schema %s owner to {{role}}', one.name);
        end loop;
    end $$
"""  # noqa: S608  # our own names
_SHOWN_VIEWS = f"""
    do $$ declare one record; begin
        for one in
            select oid::regclass as name from pg_class
            where relnamespace = '{SCHEMA}'::regnamespace and relkind = 'v'
        loop
            execute format('grant select on %s to {ANALYSTS}', one.name);
        end loop;
    end $$
"""  # noqa: S608  # as above
GRANTS = (
    "grant create on database {database} to {role}",
    f"grant create on schema {SCHEMA} to {{role}}",
    _HAND_OVER,
    _MAKE_GROUP,
    f"grant connect on database {{database}} to {ANALYSTS}",
    f"grant usage on schema {SCHEMA} to {ANALYSTS}",
    # The service makes nothing but views in this schema: those that it will make, and then has.
    (
        f"alter default privileges for role {{role}} in schema {SCHEMA}"
        f" grant select on tables to {ANALYSTS}"
    ),
    _SHOWN_VIEWS,
)
