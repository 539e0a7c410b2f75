"""To C: one file, and functions to make, train, ask and free a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from azc.compiler.fusion import Statement
from azc.ops import Type
from azc.program import Address
from azc.use.export.c_parts import parts_for
from azc.use.export.c_statements import Body, covers
from azc.use.export.c_text import HEAD, LEARN, NEW, PREDICT, SIZED
from azc.use.export.subject import Subject, loaded, ordered
from azc.use.export.words import in_comment

__all__ = ["covers", "write"]

#: Numbers of features that have code of their own, in which loops are as long as they are. More of
#: a program than so many statements would take compilers too long.
_SIZES, _MOST_SIZED = (4, 8, 16, 32, 64), 32


def write(subject: Subject) -> str:
    """The text of the file."""
    return _File(subject).text()


class _File:
    """Writes one file."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.features, self.label, self.prediction = subject.interface

    def text(self) -> str:
        subject = self.subject
        setup, learn, predict = self._setup(), self._learn(), self._predict()
        functions = "\n".join([setup, learn, predict])
        head = HEAD.format(
            title=in_comment(subject.title),
            doc=_commented(in_comment(subject.program.doc.strip())),
            program=_commented(in_comment(subject.listing)).rstrip("\n"),
            limits=f"below {self._least()}, or above 1048576",
            label=f"a class, 0 to {subject.classes - 1}" if subject.classes else "the label",
            out=f"{subject.classes} numbers, the largest for the likeliest class" if subject.many
            else "One number; above 0 for class 1" if subject.classes else "One number",
            sized=self._sized(),
        )  # fmt: skip
        used = self._used(functions)
        new = self._new(used)
        parts = parts_for(functions)
        return "\n".join([head.rstrip("\n") + "\n", parts, self._struct(used), functions, new])

    def _sized(self) -> str:
        subject = self.subject
        short = len(self._learning()) + len(subject.learn) <= _MOST_SIZED
        sizes = [F for F in _SIZES if short and self._least() <= F]
        return SIZED.format(cases="".join(f"    case {F}: call({F}); \\\n" for F in sizes))

    def _least(self) -> int:
        subject = self.subject
        return max(1, subject.most_coordinate + 1, subject.classes if subject.many else 0)

    # ---- memory ----------------------------------------------------------------------------------

    def _used(self, text: str) -> list[str]:
        """The vectors and matrices of the model, by name."""
        names = set(
            re.findall(r"(?:m->|AZ_(?:VECTOR|HELD|GIVEN)\()((?:kept_|spare_)?[vm]\d*)\b", text)
        )
        return sorted(names, key=lambda name: (_is_grid(name), name[:5], len(name), name))

    def _struct(self, used: list[str]) -> str:
        lines = ["struct azc_model {", "    size_t F;", "    uint64_t step;"]
        if self.subject.draws:
            lines.append("    uint64_t key;")
        scalars = [str(a) for a in ordered(self._scalars())]
        if scalars:
            lines.append(f"    double {', '.join(scalars)};")
        lines += [f"    double *{name};" for name in used]
        return "\n".join([*lines, "    double *block; /* of all vectors and matrices */", "};", ""])

    def _scalars(self) -> set[Address]:
        """Those that the model holds between examples."""
        subject = self.subject
        used = {a for s in (*subject.setup, *self._learning(), *subject.learn, *self._predicting())
                for a in (*s.reads, s.writes)}  # fmt: skip
        kept = {a for a in subject.needed.between & used if a.type is Type.SCALAR}
        if self.prediction.type is Type.SCALAR and self.prediction in subject.needed.between:
            kept.add(self.prediction)
        return kept

    def _new(self, used: list[str]) -> str:
        cells = []
        for name in used:
            cells.append(
                f"    m->{name} = next;\n    next += {'P * P' if _is_grid(name) else 'P'};\n"
            )
        grids = sum(map(_is_grid, used))
        key = "    m->key = az_key(seed, 0);\n" if self.subject.draws else "    (void)seed;\n"
        return NEW.format(
            least=self._least(),
            count=len(used) - grids,
            grids=grids,
            key=key,
            cells="".join(cells),
        )

    # ---- functions -------------------------------------------------------------------------------

    def _setup(self) -> str:
        subject = self.subject
        after = subject.needed.between
        lines = Body(subject.setup, after).lines()
        lines += [
            f"m->{a} = {a};"
            for a in ordered({s.writes for s in subject.setup} & after)
            if a.type is Type.SCALAR
        ]
        names = self._declared(subject.setup, lines, carried=set(), sized=False)
        # Features and label may be read, as the zeros that they are.
        return "\n".join(["static void azc_setup(azc_model *m)", "{",
                          *_indented([*names, *lines]), "}", ""])  # fmt: skip

    def _learning(self) -> list[Statement]:
        return self.subject.predict_to_learn

    def _learn(self) -> str:
        subject = self.subject
        predict, learn = self._learning(), subject.learn
        lines = ["const double y = Y[row];", *self._given(predict, learn, "(X + row * F)")]
        if not _reads((*predict, *learn), self.features):
            lines = ["(void)X;", *lines]
        bodies = [Body(predict, subject.before_learn), Body(learn, subject.needed.between)]
        lines += bodies[0].lines()
        lines += self._judged()
        writes = {s.writes for s in (*predict, *learn)}
        if self.features in writes and _reads(learn, self.features):
            lines.append(f"memcpy({self.features}, X + row * F, F * sizeof(double));")
        if _reads(learn, self.label):
            if subject.many:
                lines += [f"memset({self.label}, 0, F * sizeof(double));",
                          f"{self.label}[(size_t)y] = 1.0;"]  # fmt: skip
            else:
                lines.append(f"{self.label} = y;")
        lines += bodies[1].lines()
        if any(s.instruction.op.random for s in (*predict, *learn)):
            lines.append("++step;")
        written = {*writes, self.prediction} & self._scalars()
        after = [f"m->{a} = {a};" for a in ordered(written)]
        names = self._declared([*predict, *learn], lines, carried=self._scalars(), held=True)
        held = {a for body in bodies for a in body.stored} & subject.needed.between
        after += [f"AZ_HOLD({a});" for a in ordered(held) if f"AZ_HELD({a});" in names]
        return LEARN.format(
            before="\n".join(_indented(names)),
            body="\n".join(_indented(_indented(lines))),
            after="".join(f"{line}\n" for line in _indented(after)),
        )

    def _judged(self) -> list[str]:
        subject, prediction = self.subject, self.prediction
        if not subject.many:
            lines = [f"{prediction} = az_sigmoid({prediction});"] if subject.classes else []
            check = f"if (!(fabs(y - {prediction}) <= AZC_MAX_ABS_ERROR))"
            return [*lines, check, "    break;"]
        return [
            f"az_softmax({prediction}, {subject.classes});",
            "int failed = 0;",
            f"for (size_t c = 0; c < {subject.classes}; ++c)",
            f"    failed |= !(fabs(((size_t)y == c) - {prediction}[c]) <= AZC_MAX_ABS_ERROR);",
            "if (failed)",
            "    break;",
        ]

    def _predicting(self) -> list[Statement]:
        return self.subject.predict_alone

    def _predict(self) -> str:
        subject = self.subject
        statements = self._predicting()
        body = Body(statements, subject.after_alone)
        lines = self._given(statements, [], "(X + row * F)")
        if not _reads(statements, self.features):
            lines = ["(void)X;", *lines]
        lines += body.lines()
        if subject.many:
            C = subject.classes
            lines.append(f"memcpy(out + row * {C}, {self.prediction}, {C} * sizeof(double));")
        else:
            lines.append(f"out[row] = {self.prediction};")
        if any(s.instruction.op.random for s in statements):
            lines.append("++step;")
        # What Predict leaves in memory is taken back in the end; scalars are copies anyway.
        changed = body.stored & subject.needed.between
        saved = ordered({a for a in changed if a.type is not Type.SCALAR})
        sizes = {a: "F * P" if a.type is Type.MATRIX else "F" for a in saved}
        save = [f"memcpy(m->kept_{a}, {a}, {sizes[a]} * sizeof(double));" for a in saved]
        load = [f"memcpy({a}, m->kept_{a}, {sizes[a]} * sizeof(double));" for a in saved]
        names = self._declared(statements, lines, carried=self._scalars())
        return PREDICT.format(
            before="\n".join(_indented([*names, *save])),
            body="\n".join(_indented(_indented(lines))),
            after="".join(f"{line}\n" for line in _indented(load)),
        )

    def _given(self, predict: Sequence[Statement], learn: Sequence[Statement], x: str) -> list[str]:
        """Features and label before Predict."""
        both, features, lines = [*predict, *learn], str(self.features), []
        if any(s.writes == self.features for s in both):
            lines.append(f"memcpy({features}, {x}, F * sizeof(double));")
        elif _reads(both, self.features):
            lines.append(f"AZ_GIVEN({features}, {x});")
        if _reads(predict, self.label):
            zero = f"memset({self.label}, 0, F * sizeof(double));"
            lines.append(zero if self.subject.many else f"{self.label} = 0.0;")
        return lines

    def _declared(
        self,
        statements: Sequence[Statement],
        lines: Sequence[str],
        *,
        carried: set[Address],
        held: bool = False,
        sized: bool = True,
    ) -> list[str]:
        """Local names for what the lines use; `held`: copies of vectors where that is faster;
        `sized`: F is an argument."""
        text = "\n".join(line for line in lines if not line.lstrip().startswith("/*"))
        declared = ["const size_t P = (F + 7) / 8 * 8;", "(void)P;"]
        if not sized:
            declared.insert(0, "const size_t F = AZC_FEATURES ? AZC_FEATURES : m->F;")
        if re.search(r"\bstep\b", text.replace("m->step", "")):
            mark = "" if "++step;" in lines else "const "
            declared.append(f"{mark}uint64_t step = m->step;")
        used = {a for s in statements for a in (*s.reads, s.writes)} | set(self.subject.interface)
        written = {s.writes for s in statements if s.replaces}
        local = {a for a in written - self.subject.needed.between - loaded(statements)
                 if a.type is Type.VECTOR} - set(self.subject.interface)  # fmt: skip
        for address in ordered(used):
            name = str(address)
            if not re.search(rf"(?<!->)\b{name}\b", text) or f"AZ_GIVEN({name}," in text:
                continue
            if address.type is Type.SCALAR:
                start = f"m->{name}" if address in carried else "0.0"
                declared.append(f"double {name} = {start};")
            elif address in local:
                declared.append(f"AZ_VECTOR({name});")
            elif held and address.type is Type.VECTOR:
                declared.append(f"AZ_HELD({name});")
            else:
                mark = "restrict " if held else ""
                declared.append(f"double *const {mark}{name} = m->{name};")
        for kind in ("v", "m"):
            if f"spare_{kind}" in text:
                declared.append(f"double *const spare_{kind} = m->spare_{kind};")
        return declared


def _is_grid(name: str) -> bool:
    return name.rpartition("_")[2].startswith("m")


def _reads(body: Iterable[Statement], address: Address) -> bool:
    return any(address in statement.reads for statement in body)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _commented(text: str) -> str:
    """Lines of a comment, of which the first has its mark already."""
    return "\n".join(f" * {line}".rstrip() for line in text.splitlines())[3:] + "\n"
