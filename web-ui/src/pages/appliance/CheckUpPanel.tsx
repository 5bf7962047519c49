/** What a box stands on and promises, looked at when somebody asks: on its own page, and far away through the relay. */
import { useMutation } from "@tanstack/react-query";
import { Stethoscope } from "lucide-react";

import { apiUrl, demand } from "../../api/client";
import type { ExaminedPart, Examination, Finding } from "../../api/types";
import { Button } from "../../components/Button";
import { ProblemNote } from "../../components/Note";
import { Panel } from "../../components/Page";
import { FindingLevelView } from "../../components/State";
import { count } from "../../words";
import { marked } from "./marked";

interface Box {
  /** Where its system is asked. */
  system: "/system" | `/sites/${string}/system`;
  online: boolean;
}

export function CheckUpPanel({ system, online }: Box) {
  const look = useMutation({ mutationFn: () => demand<Examination>("GET", apiUrl(`${system}/doctor`)) });
  return (
    <Panel
      title="Check-up"
      actions={
        <Button icon={Stethoscope} busy={look.isPending} disabled={!online} data-testid="check-up" onClick={() => look.mutate()}>
          {look.data ? "Look again" : "Look"}
        </Button>
      }
    >
      {look.error && (
        <div className="p-4">
          <ProblemNote error={look.error} />
        </div>
      )}
      {look.data ? (
        <Found examination={look.data} />
      ) : (
        <p className="px-4 py-3 text-soft">
          {online
            ? "Looks at clock, programs, disks, recorders and promises, and says what to do where something is wrong. It takes some seconds."
            : "When the site is online again."}
        </p>
      )}
    </Panel>
  );
}

function Found({ examination: { parts } }: { examination: Examination }) {
  const isWell = (finding: Finding) => finding.level === "well";
  const open = pick(parts, (finding) => !isWell(finding));
  const well = pick(parts, isWell);
  const findings = parts.flatMap((part) => part.findings);
  const wrong = findings.filter(({ level }) => level === "wrong").length;
  return (
    <div data-testid="examination">
      <p className="px-4 pt-3 font-semibold">
        {wrong > 0
          ? `${count(wrong, "thing")} ${wrong === 1 ? "is" : "are"} wrong.`
          : open.length > 0
            ? "Nothing is wrong; something to look at."
            : "Everything is as it should be."}
      </p>
      <Parts parts={open} />
      {well.length > 0 && (
        <details className="border-t border-line">
          <summary className="cursor-pointer px-4 py-3 text-soft">
            As it should be: {findings.filter(isWell).length}
          </summary>
          <Parts parts={well} />
        </details>
      )}
    </div>
  );
}

/** Parts with only these findings; those without any are left out. */
function pick(parts: ExaminedPart[], wanted: (finding: Finding) => boolean): ExaminedPart[] {
  return parts
    .map(({ name, findings }) => ({ name, findings: findings.filter(wanted) }))
    .filter(({ findings }) => findings.length > 0);
}

function Parts({ parts }: { parts: ExaminedPart[] }) {
  return parts.map((part) => (
    <section key={part.name} className="px-4 py-3">
      <h3 className="text-xs text-soft">{part.name}</h3>
      <ul className="flex flex-col gap-3 pt-1">
        {part.findings.map((finding, at) => (
          <li key={at} className="flex flex-col gap-x-4 sm:flex-row">
            <div className="shrink-0 sm:w-20">
              <FindingLevelView level={finding.level} />
            </div>
            <div className="min-w-0 wrap-anywhere">
              <p>
                <span className="font-medium">{finding.about}</span>: {finding.seen}
              </p>
              {finding.advice && <Advice text={finding.advice} />}
            </div>
          </li>
        ))}
      </ul>
    </section>
  ));
}

function Advice({ text }: { text: string }) {
  const pieces = marked(text).map((piece, at) => {
    switch (piece.kind) {
      case "words":
        return piece.text;
      case "typed":
        return (
          <code key={at} className="text-xs">
            {piece.text}
          </code>
        );
      case "place":
        return <em key={at}>{piece.text}</em>;
    }
  });
  return <p className="text-soft">{pieces}</p>;
}
