"""The same facts as AsyncAPI 3.0, for people and tools outside.

The document stands alone. Its schemas keep to what JSON Schema draft-07 and 2020-12 share, as
AsyncAPI's default format is draft-07.
"""

from collections.abc import Mapping

import msgspec
from brobyg_kit.topics import retention_days

from schemas.tools.sources import (
    Json,
    Schema,
    Sources,
    TopicFile,
    class_name,
    event_type,
    title,
    type_name,
)

VERSION = "1.0.0"
KAFKA_BINDING = "0.5.0"

#: The topics that carry the hospital's own format, and what is in them.
FOREIGN: Mapping[str, Mapping[str, Json]] = {
    "hospital.appointment.v1": {
        "name": "hospital.appointment",
        "title": "The hospital's message",
        "summary": "A FHIR R4 (4.0.1) Appointment, or a Bundle (batch or transaction) of them.",
        "resources": ["Appointment", "Bundle"],
    },
    "hospital.appointment.rejected.v1": {
        "name": "hospital.appointment.rejected",
        "title": "Why a message was refused",
        "summary": "A FHIR R4 (4.0.1) OperationOutcome, with the origin and without any value of "
        "the message.",
        "resources": ["OperationOutcome"],
    },
}


def asyncapi_document(sources: Sources) -> Mapping[str, Json]:
    """The document of the whole system."""
    services = sorted(
        {
            service
            for topic in sources.topics.values()
            for service in (*topic.producers, *topic.consumers)
        }
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Brobyg",
            "version": VERSION,
            "description": "What the services tell each other through Kafka: CloudEvents 1.0.2 in "
            "structured mode, one JSON document a record. Events are facts about ids; nothing in "
            "them names a person.",
            "license": {"name": "MPL-2.0", "url": "https://mozilla.org/MPL/2.0/"},
            "tags": [{"name": service} for service in services],
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {name: _channel(name, topic) for name, topic in sources.topics.items()},
        "operations": {
            key: value
            for name, topic in sources.topics.items()
            for key, value in _operations(name, topic)
        },
        "components": {"messages": _messages(sources), "schemas": _schemas(sources)},
    }


def _message_names(name: str, topic: TopicFile, reader: str | None = None) -> list[str]:
    """The messages of a topic, or those of them that `reader` handles."""
    if topic.events:
        return [class_name(event) for event in topic.reads.get(reader or "", topic.events)]
    return [class_name(str(FOREIGN[name]["name"])) if name in FOREIGN else "DeadLetter"]


def _channel(name: str, topic: TopicFile) -> Json:
    days = retention_days(topic.retention)
    return {
        "address": name,
        "description": topic.description,
        "messages": {
            message: {"$ref": f"#/components/messages/{message}"}
            for message in _message_names(name, topic)
        },
        "tags": [{"name": topic.owner}],
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup_policy],
                    "retention.ms": -1 if days is None else days * 24 * 60 * 60 * 1000,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-owner": topic.owner,
        "x-key": topic.key,
        "x-compression": topic.compression,
        "x-compatibility": topic.compatibility,
    }


def _operations(name: str, topic: TopicFile) -> list[tuple[str, Json]]:
    roles = [("send", service) for service in topic.producers] + [
        ("receive", service) for service in topic.consumers
    ]
    return [
        (
            f"{service}.{action}.{name}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"{service} {'writes' if action == 'send' else 'reads'} {name}",
                "tags": [{"name": service}],
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{message}"}
                    for message in _message_names(
                        name, topic, service if action == "receive" else None
                    )
                ],
            },
        )
        for action, service in roles
    ]


def _messages(sources: Sources) -> Mapping[str, Json]:
    messages: dict[str, Json] = {
        class_name(event): _event_message(sources, event) for event in sources.events
    }
    for topic, foreign in FOREIGN.items():
        messages[class_name(str(foreign["name"]))] = {
            **{key: foreign[key] for key in ("name", "title", "summary")},
            "contentType": sources.topics[topic].content,
            "payload": {
                "type": "object",
                "properties": {"resourceType": {"enum": foreign["resources"]}},
                "required": ["resourceType"],
            },
        }
    messages["DeadLetter"] = {
        "name": "dead-letter",
        "title": sources.dead_letter.title,
        "summary": sources.dead_letter.description,
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/DeadLetter"},
    }
    return messages


def _event_message(sources: Sources, event: str) -> Json:
    schema = sources.events[event]
    subject = sources.subject_of(event)
    return {
        "name": event_type(event),
        "title": schema.title,
        "summary": schema.description,
        "contentType": "application/cloudevents+json",
        "correlationId": {
            "location": "$message.payload#/correlationid",
            "description": "What belongs together.",
        },
        "headers": {
            "type": "object",
            "properties": {"content-type": {"const": "application/cloudevents+json"}},
            "required": ["content-type"],
        },
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": event_type(event)},
                        "data": {"$ref": f"#/components/schemas/{class_name(event)}"},
                    },
                },
            ]
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"The event's subject: {subject}."},
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-data-example": sources.example(event),
    }


def _schemas(sources: Sources) -> Mapping[str, Json]:
    named = {title(schema): schema for schema in sources.types.values()}
    named |= {"CloudEvent": sources.envelope, "DeadLetter": sources.dead_letter}
    named |= {class_name(event): schema for event, schema in sources.events.items()}
    return {name: embedded(sources, schema) for name, schema in named.items()}


def embedded(sources: Sources, schema: Schema) -> Json:
    """The schema as part of a document: without `$id`, its references to `components`."""
    plain: Json = msgspec.to_builtins(
        msgspec.structs.replace(schema, dialect=None, id=None, defs={})
    )
    return _local(sources, plain)


def _local(sources: Sources, value: Json) -> Json:
    if isinstance(value, Mapping):
        rest = {key: _local(sources, inner) for key, inner in value.items() if key != "$ref"}
        if "$ref" not in value:
            return rest
        reference: Json = {
            "$ref": f"#/components/schemas/{title(sources.types[type_name(str(value['$ref']))])}"
        }
        # Draft-07 ignores what stands beside a $ref, so a description of its own needs allOf.
        return {"allOf": [reference], **rest} if rest else reference
    if isinstance(value, list | tuple):
        return [_local(sources, inner) for inner in value]
    return value
