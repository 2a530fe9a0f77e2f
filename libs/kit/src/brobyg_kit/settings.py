"""Settings by environment, prefix `BROBYG_`. `brobyg config` lists them all."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from brobyg_kit.clock import Clock, parse_clock
from brobyg_kit.domain import domain


class KitSettings(BaseSettings):
    """What every service needs to know.

    Each service adds its own fields, named `<service>_...`, among them `<service>_port`.
    """

    model_config = SettingsConfigDict(env_prefix="BROBYG_", extra="ignore", frozen=True)

    kafka: str = Field(
        "127.0.0.1:9092", description="Kafka's bootstrap servers, host:port[,host:port]."
    )
    database: SecretStr = Field(
        SecretStr("postgresql://postgres@127.0.0.1:5432"),
        description="The PostgreSQL server, without a database name: each service uses its own,"
        " brobyg_<service>.",
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
        None, description="File with the public keys (JWKS) that tokens are checked against."
    )
    token_signing_key: Path | None = Field(
        None, description="File with the private key (JWK) `brobyg token` signs with."
    )
    service_token: SecretStr = Field(
        SecretStr(""), description="The token this service sends to the others."
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

    def port_of(self, service: str) -> int:
        """The HTTP port of the service of this name."""
        port: int = getattr(self, f"{service}_port")
        return port
