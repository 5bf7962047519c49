import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from "react";

interface LabelledProps {
  label: string;
  /** Below the field: what to type, in a sentence. */
  hint?: ReactNode;
  /** What is wrong with what was typed; replaces the hint. */
  problem?: string | null;
  /** The label is told to screen readers only, where the field explains itself to the eye. */
  labelHidden?: boolean;
}

type TextFieldProps = LabelledProps & InputHTMLAttributes<HTMLInputElement>;

export function TextField({ label, hint, problem, labelHidden, className = "", ...rest }: TextFieldProps) {
  return (
    <Labelled {...{ label, hint, problem, labelHidden, className }}>
      {(aria) => <input {...rest} {...aria} className="field control" />}
    </Labelled>
  );
}

type SelectFieldProps = LabelledProps & SelectHTMLAttributes<HTMLSelectElement>;

/** The browser's own select: phones show it best, and it needs no script. */
export function SelectField({ label, hint, problem, labelHidden, className = "", children, ...rest }: SelectFieldProps) {
  return (
    <Labelled {...{ label, hint, problem, labelHidden, className }}>
      {(aria) => (
        <select {...rest} {...aria} className="field control">
          {children}
        </select>
      )}
    </Labelled>
  );
}

interface Aria {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean | undefined;
}

function Labelled(props: LabelledProps & { className: string; children: (aria: Aria) => ReactNode }) {
  const { label, hint, problem, labelHidden = false, className, children } = props;
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className={`flex flex-col gap-1 ${className}`}>
      <label htmlFor={id} className={labelHidden ? "sr-only" : "text-soft"}>
        {label}
      </label>
      {children({
        id,
        "aria-describedby": note ? `${id}-note` : undefined,
        "aria-invalid": problem ? true : undefined,
      })}
      {note && (
        <p id={`${id}-note`} className={`text-xs ${problem ? "text-bad" : "text-soft"}`}>
          {note}
        </p>
      )}
    </div>
  );
}
