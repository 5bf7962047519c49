import { CircleCheck, CircleDashed, CircleX } from "lucide-react";

import type { StepName, TestStep } from "../../api/types";
import { Spinner } from "../../components/Button";
import { durationText } from "../../words";

/** The steps in order, with what each is called on the page. */
const STEPS: Record<StepName, string> = {
  library: "Library",
  address: "Address",
  port: "Port",
  tls: "Encryption",
  login: "Login",
  channels: "Channels",
  search: "Search",
  first_byte: "First footage",
};

/** A step as far as it is known: a test that runs has begun some of them and not ended the last. */
export type ShownStep = TestStep | { name: StepName; result: "running" };

/** What worked and what did not, in the order in which it was tried, as it happens. */
export function TestSteps({ steps }: { steps: ShownStep[] }) {
  return (
    <ol
      className="flex flex-col gap-1.5 rounded-lg bg-raised p-3"
      aria-label="Connection test"
      aria-live="polite"
      data-testid="test-result"
    >
      {steps.map((step) => (
        <li key={step.name} className="grid grid-cols-[1.125rem_1fr_auto] gap-x-2" data-step={step.name} data-result={step.result}>
          <Mark result={step.result} />
          <span className={`min-w-0 wrap-anywhere ${step.result === "skipped" ? "text-soft" : ""}`}>
            <span className="font-medium">{STEPS[step.name]}</span>{" "}
            {step.result !== "running" && <span className="text-soft">{step.message}</span>}
          </span>
          {step.result !== "running" && step.result !== "skipped" && (
            <span className="text-xs leading-5 whitespace-nowrap text-soft">{durationText(step.elapsed_ms)}</span>
          )}
        </li>
      ))}
    </ol>
  );
}

function Mark({ result }: { result: ShownStep["result"] }) {
  switch (result) {
    case "passed":
      return <CircleCheck size={18} role="img" aria-label="Worked" className="text-ok" />;
    case "failed":
      return <CircleX size={18} role="img" aria-label="Failed" className="text-bad" />;
    case "skipped":
      return <CircleDashed size={18} role="img" aria-label="Not tried" className="text-soft" />;
    case "running":
      return (
        <span role="img" aria-label="Being tried" className="text-accent">
          <Spinner size={18} />
        </span>
      );
  }
}
