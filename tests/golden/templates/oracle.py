"""python3-jinja2 set up as transformers does for chat templates: the oracle of our interpreter."""

import json
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = 1750000000  # the clock of strftime_now in every case


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks assistant text for training; renders as its content."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller):
        return caller()


def _raise(message):
    raise jinja2.exceptions.TemplateError(message)


def _tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
ENVIRONMENT.filters["tojson"] = _tojson
ENVIRONMENT.globals["raise_exception"] = _raise
ENVIRONMENT.globals["strftime_now"] = lambda form: datetime.fromtimestamp(NOW).strftime(form)


def render(source, context):
    """The text, or None where jinja2 raises anything."""
    try:
        return ENVIRONMENT.from_string(source).render(**context)
    except Exception:  # noqa: BLE001: a template may raise whatever Python can
        return None
