"""Routes of cases: what people claim, sealed evidence, hypotheses weighed, statements and what goes out."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tidegauge.api.access import Analyst, Here, Reader, Service, takes
from tidegauge.api.problems import MissingError
from tidegauge.case import Case, CaseFile, check, statement, weigh
from tidegauge.model import UsageError, case_shapes
from tidegauge.serve.question_pool import SealQuestion, VerifyQuestion
from tidegauge.store.people import Person

router = APIRouter(prefix="/api/v1/cases", tags=["cases"])
Name = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["autumn"])]
Id = Annotated[str, Path(max_length=16, examples=["R1"])]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Short = Annotated[str, Field(min_length=1, max_length=300)]
Mark = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
Expected = Annotated[int | None, Field(ge=0, le=1 << 53, description="The revision that you saw.")]
KINDS = {"md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8", "pdf": "application/pdf"}
EXPORTS = {"stix": "application/stix+json;version=2.1", "misp": "application/json", "csv": "text/csv; charset=utf-8",
           "xarf": "application/json", "bundle": "application/zip"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCase(_Body):
    name: Annotated[str, Field(max_length=64)] = Field(examples=["autumn"])
    title: Annotated[str, Field(max_length=300)] = ""
    mark: Mark = "TLP:AMBER"


class NewClaim(_Body):
    by: Short
    text: Text
    at: Annotated[str, Field(max_length=64)] | None = None
    graded: Annotated[str, Field(max_length=2, examples=["B2"])] | None = None
    tlp: Mark | None = None


class NewEvidence(SealQuestion):
    tlp: Mark | None = None


class NewRating(_Body):
    evidence: Annotated[str, Field(max_length=16, examples=["E1"])]
    hypothesis: Annotated[str, Field(max_length=16, examples=["H1"])]
    value: Literal["CC", "C", "N", "I", "II"]
    weight: Literal["low", "medium", "high"] = "medium"
    reason: Text
    expected: Expected = None


class NewHypothesis(_Body):
    text: Text


class NewLikelihood(_Body):
    hypothesis: Annotated[str, Field(max_length=16, examples=["H1"])]
    word: Annotated[str, Field(max_length=64, examples=["unlikely"])]
    confidence: Literal["low", "moderate", "high"] = "low"
    reason: Annotated[str, Field(max_length=20_000)] = ""


class NewRequest(_Body):
    of: Short
    what: Text
    due: Annotated[str, Field(max_length=64, examples=["2027-01-31"])]


class NewAnswer(_Body):
    text: Text
    expected: Expected = None


class NewNote(_Body):
    text: Text
    reason: Annotated[str, Field(max_length=20_000)] | None = Field(default=None, description="Makes it a decision.")
    tlp: Mark | None = None


class NewMark(_Body):
    mark: Mark


class Edited(_Body):
    text: Annotated[str, Field(max_length=500_000)]


def _files(service: Service, person: Person) -> CaseFile:
    return CaseFile(service.site, person.name)


def _case(service: Service, person: Person, name: str) -> Case:
    try:
        return _files(service, person).get(name)
    except UsageError as error:
        raise MissingError(error.what, hint=error.hint) from None


@router.get("", **takes("reader", 409))
def cases(service: Here, person: Reader) -> dict[str, Any]:
    """All cases."""
    return service.shown(person, {"cases": _files(service, person).cases.names()})  # type: ignore[no-any-return]


@router.post("", status_code=201, **takes("analyst", 400, 409))
def new(service: Here, person: Analyst, body: NewCase) -> dict[str, Any]:
    """Open a case."""
    made = _files(service, person).new(body.name, body.title, body.mark)
    return {"name": made.name, "revision": made.revision}


@router.get("/{name}", **takes("reader", 404, 409, shape=case_shapes.CaseTold))
def show(service: Here, person: Reader, name: Name) -> Any:
    """A case's entries in order of time."""
    return service.shown(person, _case(service, person, name).to_json())


@router.post("/{name}/claims", status_code=201, **takes("analyst", 400, 404, 409))
def claim(service: Here, person: Analyst, name: Name, body: NewClaim) -> dict[str, str]:
    """Note what somebody claims."""
    _case(service, person, name)
    return {"id": _files(service, person).claim(name, body.by, body.text, body.at, body.graded, body.tlp).id}


@router.post("/{name}/evidence", status_code=201, **takes("analyst", 400, 404, 409, 503, 504))
async def evidence(service: Here, person: Analyst, name: Name, body: NewEvidence) -> dict[str, str]:
    """Put a question and seal its answer with what it rests on."""
    await asyncio.to_thread(_case, service, person, name)
    given = await service.desk.answer("seal", SealQuestion(verb=body.verb, question=body.question))
    sealed = {**json.loads(given.body), "tlp": body.tlp}
    made = await asyncio.to_thread(_files(service, person).add, name, "evidence", sealed)
    return {"id": made.id}


@router.post("/{name}/ratings", status_code=201, **takes("analyst", 400, 404, 409))
def rate(service: Here, person: Analyst, name: Name, body: NewRating) -> dict[str, int]:
    """How a piece of evidence bears on a hypothesis, in your view."""
    _case(service, person, name)
    told = (body.evidence, body.hypothesis, body.value, body.weight, body.reason, body.expected)
    return {"revision": _files(service, person).rate(name, *told).number}


@router.post("/{name}/hypotheses", status_code=201, **takes("analyst", 400, 404, 409))
def hypothesis(service: Here, person: Analyst, name: Name, body: NewHypothesis) -> dict[str, str]:
    """Add a hypothesis."""
    _case(service, person, name)
    return {"id": _files(service, person).add(name, "hypothesis", {"key": "", "text": body.text}).id}


@router.post("/{name}/likelihoods", status_code=201, **takes("analyst", 400, 404, 409))
def likelihood(service: Here, person: Analyst, name: Name, body: NewLikelihood) -> dict[str, int]:
    """How likely a hypothesis is, and how sure you are of that."""
    _case(service, person, name)
    made = _files(service, person).likelihood(name, body.hypothesis, body.word, body.confidence, body.reason)
    return {"revision": made.number}


@router.post("/{name}/requests", status_code=201, **takes("analyst", 400, 404, 409))
def ask_for(service: Here, person: Analyst, name: Name, body: NewRequest) -> dict[str, str]:
    """Note what was asked of whom."""
    _case(service, person, name)
    return {"id": _files(service, person).request(name, body.of, body.what, body.due).id}


@router.post("/{name}/requests/{request_id}/answer", status_code=201, **takes("analyst", 400, 404, 409))
def answer(service: Here, person: Analyst, name: Name, request_id: Id, body: NewAnswer) -> dict[str, int]:
    """Note what came of a request."""
    _case(service, person, name)
    return {"revision": _files(service, person).answer_request(name, request_id, body.text, body.expected).number}


@router.post("/{name}/notes", status_code=201, **takes("analyst", 400, 404, 409))
def note(service: Here, person: Analyst, name: Name, body: NewNote) -> dict[str, str]:
    """Add a note; with a reason, a decision."""
    _case(service, person, name)
    kind: Literal["decision", "note"] = "decision" if body.reason else "note"
    return {"id": _files(service, person).add(name, kind, body.model_dump()).id}


@router.put("/{name}/mark", **takes("analyst", 400, 404, 409))
def mark(service: Here, person: Analyst, name: Name, body: NewMark) -> dict[str, str]:
    """Set the TLP 2.0 mark."""
    _case(service, person, name)
    _files(service, person).mark(name, body.mark)
    return {"mark": body.mark}


@router.get("/{name}/weigh", **takes("reader", 404, 409, shape=case_shapes.Weighed))
def weighed(service: Here, person: Reader, name: Name) -> Any:
    """What speaks against each hypothesis, and which single piece the ranking hangs on."""
    return service.shown(person, weigh(_case(service, person, name)).to_json())


@router.get("/{name}/verify", **takes("analyst", 404, 409, 503, 504, shape=case_shapes.Verified))
async def verified(service: Here, person: Analyst, name: Name) -> Any:
    """Every question put anew, and the chain looked at."""
    await asyncio.to_thread(_case, service, person, name)
    given = await service.desk.answer("verify", VerifyQuestion(name=name))
    return json.loads(given.body)


@router.get("/{name}/statement", response_class=Response, **takes("analyst", 404, 409))
def written(
    service: Here, person: Analyst, name: Name, length: Literal["short", "long"] = "short",
    language: Literal["en", "zh-TW"] = "en",
    form: Annotated[Literal["md", "html", "pdf"], Query(alias="format")] = "md",
) -> Response:
    """The statement, written from sealed evidence alone."""
    made = statement(_case(service, person, name), language, length, form)
    more = {} if form == "md" else {"Content-Disposition": f'attachment; filename="{name}.{language}.{form}"'}
    return Response(made, media_type=KINDS[form], headers=more)


@router.post("/{name}/statement/check", **takes("analyst", 404, 409))
def checked(service: Here, person: Analyst, name: Name, body: Edited) -> dict[str, Any]:
    """An edited text held against the evidence: what it says that none cited in its line holds."""
    return {"problems": [one.to_json() for one in check(_case(service, person, name), body.text)]}


@router.get("/{name}/export", response_class=Response, **takes("analyst", 400, 404, 409))
def export(
    request: Request, service: Here, person: Analyst, name: Name,
    form: Annotated[Literal["stix", "misp", "csv", "xarf", "bundle"], Query(alias="format")],
    tlp: Mark | None = None, pseudonyms: bool = False,
) -> Response:
    """The case for other teams, without what its mark keeps from them."""
    _case(service, person, name)
    made = _files(service, person).export(name, form, audience=tlp, pseudonyms=pseudonyms)
    ending = {"bundle": "zip", "csv": "csv"}.get(form, "json")
    return Response(made, media_type=EXPORTS[form],
                    headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'})
