"""Who may do what in reporting's database, beside the service's rights to its fixed tables.

The service makes a schema for each version and the views on the live one, and owns those. Analysts
read the views and nothing else: not the tables of a version, nor what the mechanism keeps.
"""

from brobyg_reporting.adapters.tables import SCHEMA

#: The group that every analyst's login is in. It can't sign in itself.
ANALYSTS = "brobyg_analyst"
_MAKE_GROUP = f"""
    do $$ begin
        if to_regrole('{ANALYSTS}') is null then
            create role {ANALYSTS} nologin;
        end if;
    exception
        when duplicate_object or unique_violation then null;
        when insufficient_privilege then
            raise exception 'the group of the analysts is not there, and % can not make it; as a'
                ' superuser: create role {ANALYSTS}; grant {ANALYSTS} to "%" with admin option',
                current_user, current_user using errcode = 'insufficient_privilege';
    end $$
"""
#: To hand anything over the owner must be the login's member.
_ASK_MEMBER = """
    do $$ begin
        if not pg_has_role(current_user, '{role}'::regrole, 'usage') then
            raise exception 'reporting makes tables and views, which belong to its login, and % can'
                ' not have that: as a superuser, grant % to %',
                current_user, '{role}'::regrole, quote_ident(current_user)
                using errcode = 'insufficient_privilege';
        end if;
    end $$
"""
#: What is not the service's: before services had logins of their own, the databases' owner had made
#: versions and views; another login of the service's may have. Each attempt waits for readers less
#: long than the server's deadlock timeout (1 s), so that it is never a reader that is ended.
_HAND_OVER = f"""
    do $$ declare one record; begin
        for one in
            select quote_ident(nspname) as name from pg_namespace
            where starts_with(nspname, 'projection_') and nspowner <> '{{role}}'::regrole
        loop
            execute format('alter schema %s owner to {{role}}', one.name);
        end loop;
        for attempt in 1..60 loop
            begin
                set local lock_timeout = '200ms';
                for one in
                    select c.oid::regclass as name,
                        case relkind when 'v' then 'view' else 'table' end as kind
                    from pg_class c join pg_namespace n on n.oid = relnamespace
                    where relowner <> '{{role}}'::regrole and (
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
                if attempt = 60 or clock_timestamp() > statement_timestamp() + interval '2 min' then
                    raise exception 'versions or views of reporting change owner, and are in use:'
                        ' stop reporting, rebuilds too, and migrate again'
                        using errcode = 'object_in_use';
                end if;
            end;
            perform pg_sleep(0.05);
        end loop;
    end $$
"""  # noqa: S608  # our own names
#: Locks by number, which services and migrations wait for, and large objects, which fill the disk,
#: are open to everybody who may connect. In this database analysts may: here the former are for
#: the service and the owner of the database, the latter for nobody.
_CLOSE_FUNCTIONS = """
    do $$ declare one record; owner name; begin
        select pg_get_userbyid(datdba) into owner
        from pg_database where datname = current_database();
        for one in
            select oid::regprocedure as name, proowner, proname ~ 'advisory' as locks
            from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~
                '^(pg_(try_)?advisory_|lo_|loread$|lowrite$|pg_logical_emit_message$)'
        loop
            if not pg_has_role(current_user, one.proowner, 'usage') then
                if has_function_privilege('public', one.name, 'execute') then
                    raise warning 'analysts can take locks by number and make large objects'
                        using hint = 'only a superuser can close that: see docs/logins.md';
                    exit;
                end if;
                continue;
            end if;
            execute format('revoke execute on function %s from public', one.name);
            if one.locks then
                execute format('grant execute on function %s to {role}, %I', one.name, owner);
            end if;
        end loop;
    end $$
"""
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
    _ASK_MEMBER,
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
    _CLOSE_FUNCTIONS,
)
