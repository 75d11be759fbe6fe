"""The actions of the research agent: each asks a model over HTTP and returns what it said as a typed value.

The service is any that speaks OpenAI's chat completions; OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom.
No action tries again by itself: what went wrong is raised, and the definition says what to do about it.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

import fsm

Form = TypeVar("Form", bound=BaseModel)

PATIENCE_S = 50
"""Less than the `timeout` of every state, so that a call ends by itself before it is given up."""


class Question(BaseModel):
    ask: str
    source: Literal["papers", "docs", "issues"]


class Plan(BaseModel):
    questions: list[Question] = Field(min_length=1, max_length=5)


class Finding(BaseModel):
    claim: str
    source: str


class Report(BaseModel):
    """A text and its fingerprint: what a person approves is exactly this text."""

    id: str
    text: str


class Critique(BaseModel):
    sound: bool
    issues: list[str]


class Approval(BaseModel):
    report: str
    by: str


class Published(BaseModel):
    path: str
    approved: str


class Fault(BaseModel):
    """What `error` holds after a malformed answer: what was wrong, and the answer itself."""

    message: str
    value: str


class MalformedAnswer(fsm.ActionError):
    """The model answered, but not in the form that it was asked for; `value` is what it said."""


@fsm.action("research.plan")
def plan(topic: str, model: str, ctx: fsm.Context, error: Fault | None = None) -> Plan:
    """Break the topic up into questions; after a malformed answer, show the model what it did."""
    messages = [said("system", "Break the topic up into at most five questions."), said("user", topic)]
    if error:
        messages += [said("assistant", error.value), said("user", f"That is {error.message}. Answer in JSON alone.")]
    return structured(model, messages, Plan, ctx.key)


@fsm.action("research.gather")
def gather(plan: Plan, ctx: fsm.Context) -> list[Finding]:
    """Ask every question of the plan.

    An answer is saved as soon as it is there. An attempt that fails or dies at the third question leaves two behind,
    and the next attempt pays for the third only.
    """
    saved = [ctx.once(f"question {n}", look_up, asked, f"{ctx.key}-{n}") for n, asked in enumerate(plan.questions, 1)]
    return [Finding.model_validate(one) for one in saved]


def look_up(question: Question, key: str) -> dict[str, Any]:
    messages = [said("system", "Answer in one sentence and name your source."), said("user", question.ask)]
    return structured(f"search-{question.source}", messages, Finding, key).model_dump()


@fsm.action("research.draft")
def draft(topic: str, findings: list[Finding], model: str, ctx: fsm.Context) -> Report:
    """Write the report; every statement cites a finding as [n]."""
    messages = [said("system", "Write a short report. Cite findings as [n]."), said("user", topic), listed(findings)]
    return report_of(completed(model, messages, ctx.key))


@fsm.action("research.critique")
def critique(
    findings: list[Finding], report: Report, model: str, ctx: fsm.Context
) -> Critique | fsm.Outcome[Literal["revise"], Critique]:
    """Check the facts: citations by code, which costs nothing, and then the text by a model."""
    issues = unbacked(report.text, len(findings))
    judged = Critique(sound=False, issues=issues) if issues else judge(findings, report, model, ctx.key)
    return judged if judged.sound else fsm.Outcome("revise", judged)


def unbacked(text: str, findings: int) -> list[str]:
    """Return what is wrong with the citations of a text."""
    cited = {int(number) for number in re.findall(r"\[(\d{1,4})\]", text)}
    if not cited:
        return ["nothing is cited"]
    return [f"[{number}] cites no finding" for number in sorted(cited) if not 1 <= number <= findings]


def judge(findings: list[Finding], report: Report, model: str, key: str) -> Critique:
    asked = said("system", "Does every sentence follow from the findings?")
    return structured(model, [asked, listed(findings), said("user", report.text)], Critique, key)


@fsm.action("research.revise")
def revise(findings: list[Finding], report: Report, critique: Critique, model: str, ctx: fsm.Context) -> Report:
    """Mend what the critique found."""
    mend = said("user", "Mend this: " + "; ".join(critique.issues))
    return report_of(completed(model, [listed(findings), said("assistant", report.text), mend], ctx.key))


@fsm.action("research.publish")
def publish(topic: str, outlet: str, report: Report, approval: Approval) -> Published:
    """Put the approved text into the outlet, whole or not at all."""
    folder = Path(outlet)
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{'-'.join(re.findall(r'[a-z0-9]+', topic.lower()))[:60]}-{report.id}.md"
    part = place.with_suffix(".part")
    part.write_text(f"# {topic}\n\n{report.text}\n\nApproved by {approval.by}.\n", encoding="utf-8")
    part.replace(place)
    return Published(path=str(place), approved=approval.report)


def report_of(text: str) -> Report:
    return Report(id=hashlib.sha256(text.encode()).hexdigest()[:12], text=text)


# -- the model


class Message(BaseModel):
    content: str


class Choice(BaseModel):
    message: Message
    finish_reason: str


class Completion(BaseModel):
    """The part of a chat completion that is used here."""

    choices: list[Choice] = Field(min_length=1)


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def listed(findings: list[Finding]) -> dict[str, str]:
    lines = (f"[{n}] {finding.claim} ({finding.source})" for n, finding in enumerate(findings, 1))
    return said("user", "\n".join(lines))


def structured(model: str, messages: list[dict[str, str]], form: type[Form], key: str) -> Form:
    """Ask for an answer in the form of a pydantic model.

    Raises:
        MalformedAnswer: it is not in that form.
    """
    schema = {"name": form.__name__, "schema": form.model_json_schema()}
    text = completed(model, messages, key, response_format={"type": "json_schema", "json_schema": schema})
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise MalformedAnswer(f"no {form.__name__} ({place}: {first['msg']})", value=text) from error


def completed(model: str, messages: list[dict[str, str]], key: str, **more: Any) -> str:
    """Return the text that the model answers.

    Services that know Idempotency-Key charge once for the same key; to the others the header means nothing.

    Raises:
        MalformedAnswer: the answer was cut off.
        httpx.HTTPError: it was refused, or never came; the engine knows these and reads Retry-After.
    """
    response = httpx.post(
        f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
        json={"model": model, "messages": messages, **more},
        headers={"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', '')}", "Idempotency-Key": key},
        timeout=PATIENCE_S,
    )
    response.raise_for_status()
    choice = Completion.model_validate_json(response.content).choices[0]
    if choice.finish_reason == "length":
        raise MalformedAnswer("cut off: it was too long", value=choice.message.content)
    return choice.message.content
