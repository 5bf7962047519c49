import type { ReactNode } from "react";

/** A few numbers in a row that tell how things are. */
export function Figures({ children }: { children: ReactNode }) {
  return <dl className="panel grid grid-cols-2 divide-line overflow-hidden md:flex md:divide-x">{children}</dl>;
}

interface FigureProps {
  name: string;
  value: string;
  /** Below the number: what it is part of. */
  note?: ReactNode;
}

export function Figure({ name, value, note }: FigureProps) {
  return (
    <div className="flex min-w-0 grow flex-col px-4 py-3 md:basis-0">
      <dt className="text-xs text-soft">{name}</dt>
      <dd>
        <span className="text-lg font-semibold">{value}</span>
        {note && <span className="block text-xs text-soft">{note}</span>}
      </dd>
    </div>
  );
}
