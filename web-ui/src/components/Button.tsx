import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode } from "react";

type Look = "primary" | "plain" | "quiet" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong font-medium",
  plain: "border border-edge bg-panel hover:bg-raised",
  quiet: "text-soft hover:bg-raised hover:text-ink",
  danger: "border border-bad text-bad hover:bg-bad hover:text-ground font-medium",
};

/** The classes of a button, for links that look like one. */
export function buttonClass(look: Look = "plain", extra = ""): string {
  return `control inline-flex items-center justify-center gap-2 px-3 whitespace-nowrap transition-colors
    disabled:opacity-50 disabled:pointer-events-none ${LOOKS[look]} ${extra}`;
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  icon?: LucideIcon;
  /** The work that the button began is under way. */
  busy?: boolean;
}

export function Button({ look, icon: Icon, busy = false, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={(disabled ?? false) || busy}
      aria-busy={busy || undefined}
      className={buttonClass(look, className)}
    >
      {busy ? <Spinner /> : Icon && <Icon size={16} aria-hidden />}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: LucideIcon;
  /** Told by screen readers and shown on hover. */
  label: string;
  busy?: boolean;
  size?: number;
}

/** A square button that shows only a picture; its name is there for whoever cannot see it. */
export function IconButton({ icon: Icon, label, busy = false, size = 18, className = "", disabled, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={(disabled ?? false) || busy}
      aria-label={label}
      title={label}
      className={buttonClass("quiet", `aspect-square px-0 ${className}`)}
    >
      {busy ? <Spinner /> : <Icon size={size} aria-hidden />}
    </button>
  );
}

export function Spinner({ size = 16 }: { size?: number }) {
  return <LoaderCircle size={size} aria-hidden className="animate-spin" />;
}

/** A whole area that waits. */
export function Waiting({ children = "Loading…" }: { children?: ReactNode }) {
  return (
    <p role="status" className="flex items-center justify-center gap-2 p-8 text-soft">
      <Spinner /> {children}
    </p>
  );
}
