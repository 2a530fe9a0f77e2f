"""Settings by environment, prefix `BROBYG_`. `brobyg config` lists them all."""

from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from brobyg_kit.clock import Clock, parse_clock
from brobyg_kit.domain import domain


def own_database(service: str) -> Any:  # pydantic's own type for a field
    """The field `<service>_database` of a service that has a database."""
    return Field(
        SecretStr(f"postgresql://brobyg_{service}@127.0.0.1:5432"),
        description=f"The PostgreSQL server as {service} signs in on it, without a database name:"
        f" it uses brobyg_{service}. `brobyg {service} migrate` makes this login.",
    )


class KitSettings(BaseSettings):
    """What every service needs to know.

    Each service adds its own fields, named `<service>_...`, among them `<service>_port` and, where
    it has a database, `<service>_database`.
    """

    model_config = SettingsConfigDict(env_prefix="BROBYG_", extra="ignore", frozen=True)

    kafka: str = Field(
        "127.0.0.1:9092", description="Kafka's bootstrap servers, host:port[,host:port]."
    )
    database: SecretStr = Field(
        SecretStr("postgresql://postgres@127.0.0.1:5432"),
        description="The PostgreSQL server as the databases' owner signs in on it, without a"
        " database name. For `migrate` and `brobyg analyst`; a service that runs doesn't need it.",
    )
    instance: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="This process's name among those of its service, the same after a restart: then"
        " one that was killed continues at once instead of after 10 s. No two that run may have the"
        " same, also in a rolling update. Empty for none.",
    )
    clock: str = Field(
        "", description="Empty for the wall clock, or '<ISO start>;<factor>;<ISO wall anchor>'."
    )
    host: str = Field("127.0.0.1", description="The address HTTP is served on.")
    token_keys: Path | None = Field(
        None,
        description="File with the public keys (JWKS) of what `brobyg token` signs: of the issuer"
        " `brobyg`, which may give every role.",
    )
    issuers: Path | None = Field(
        None,
        description="File (TOML) of who else may issue tokens, each with where its keys are and the"
        " roles that it may give; see deploy/issuers.example.toml.",
    )
    token_signing_key: Path | None = Field(
        None, description="File with the private key (JWK) `brobyg token` signs with."
    )
    service_token: SecretStr = Field(
        SecretStr(""), description="The token this service sends to the others."
    )
    service_token_address: str = Field(
        "",
        # In the open only on this machine and in its own network: a secret is sent.
        pattern=r"^(https://\S+|http://(127\.0\.0\.1|[^./\s]+)(:\d+)?/\S*)?$",
        description="Where this service has that token from instead: a provider's token endpoint"
        " (client credentials), which is asked again in time. https://, unless it is near.",
    )
    service_client: str = Field("", description="The service's name at that provider (client_id).")
    service_client_secret: SecretStr = Field(
        SecretStr(""), description="And its secret there (client_secret)."
    )
    service_client_secret_ends: date | None = Field(
        None, description="The day that secret ends, as 2027-01-31: readiness tells weeks before."
    )
    otlp_endpoint: str = Field(
        "", description="Where traces are sent (OTLP over HTTP); empty for nowhere."
    )
    default_language: str = Field(
        default_factory=lambda: domain().DEFAULT_LANGUAGE,
        pattern="^[a-z]{2}$",
        description="The language for readers whose own is not known or has no catalogue"
        " (ISO 639-1).",
    )
    unversioned_major: int = Field(
        default_factory=lambda: domain().UNVERSIONED,
        ge=1,
        description="The major version of events whose dataschema names none. 1 for a history that"
        " began under 1.x.",
    )
    log_format: str = Field("json", pattern="^(json|console)$", description="json or console.")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error."
    )
    topics: Path = Field(
        Path("schemas/topics"),
        description="Folder of the topic files that `brobyg topics apply` creates.",
    )

    @field_validator("clock")
    @classmethod
    def _clock_is_readable(cls, text: str) -> str:
        parse_clock(text)
        return text

    def make_clock(self) -> Clock:
        """The clock these settings describe."""
        return parse_clock(self.clock)

    def server_of(self, service: str) -> str:
        """The database server as the service of this name signs in on it."""
        server: SecretStr = getattr(self, f"{service}_database")
        return server.get_secret_value()

    def port_of(self, service: str) -> int:
        """The HTTP port of the service of this name."""
        port: int = getattr(self, f"{service}_port")
        return port


def own_server(service: str) -> str:
    """The database server as the service signs in on it, whatever its other settings are.

    For commands, which need not be given them.
    """
    field: Any = (SecretStr, own_database(service))
    made = create_model("OwnServer", __base__=KitSettings, **{f"{service}_database": field})
    return made().server_of(service)
