"""Text lists of names: a feed class for each text format, made from its properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, create_model

from blockd.formats.text_format import TextFormat
from blockd.formats.text_formats import TEXT_FORMATS, format_named
from blockd.orders import Action, Order, Scope
from blockd.settings.feeds.base import CrossCheck
from blockd.settings.feeds.text import TextFeed
from blockd.settings.section import setting
from blockd.settings.values import TargetName, one_of

ZONE_ACTIONS = frozenset(action for action in Action if action.is_zones)


def _target_of_cname(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    target = feed.get("cname") not in (None, "")
    if (feed.get("action") == "cname") != target:
        yield "cname", "the action cname needs a target, and no other action has one"


class ListFeed(TextFeed):
    """A text list; one order, made of the texts here, covers all of its entries."""

    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (*TextFeed.cross_checks, _target_of_cname)

    action: Annotated[Action, one_of(Action, ZONE_ACTIONS)] = setting("sinkhole", "What is done with its names.")
    cname: TargetName = setting("", "The name answered instead, if the action is cname.")

    @property
    def form(self) -> TextFormat:
        """The format of its lines."""
        return format_named(self.type_name())

    @property
    def covers(self) -> Scope:
        """What a name covers, unless each rule of the format says so itself."""
        scope: Scope = getattr(self, "scope", Scope.BOTH)
        return scope

    def order(self) -> Order:
        """Return the order that this feed stands for."""
        return self.order_with(self.name, self.action, cname=self.cname)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle a feed by its type, since its class is made from a format and is in no module."""
        return _restored, (self.type_name(), self.__dict__, self.model_fields_set)


def _feed_of(form: TextFormat) -> type[ListFeed]:
    """Return the settings class of a format's feeds."""
    keys: dict[str, Any] = {"type": (Literal[form.name], Field(description=form.description))}
    if form.scope is not None:
        default = setting(form.scope.text, "What a name covers: exact, subdomains, both.")
        keys["scope"] = (Annotated[Scope, one_of(Scope)], default)
    made: type[ListFeed] = create_model(
        f"{form.name.capitalize()}Feed", __base__=ListFeed, __doc__=form.description, __module__=__name__, **keys
    )
    return made


LIST_FEEDS: tuple[type[ListFeed], ...] = tuple(map(_feed_of, TEXT_FORMATS))


def _restored(type_name: str, values: dict[str, Any], written: set[str]) -> ListFeed:
    [made] = [feed for feed in LIST_FEEDS if feed.type_name() == type_name]
    return made.model_construct(written, **values)
