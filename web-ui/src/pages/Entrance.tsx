import { useEffect, type ReactNode } from "react";

import { Logo } from "../components/Logo";

interface EntranceProps {
  title: string;
  /** Under the title: what this is about. */
  lead?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}

/** A page in front of the door: login, first-run set-up, forced change of password. */
export function Entrance({ title, lead, wide = false, children }: EntranceProps) {
  useEffect(() => {
    document.title = `${title} · Holdfast`;
  }, [title]);
  return (
    <main className="flex min-h-dvh flex-col items-center px-4 py-8 sm:pt-[12vh]">
      <div className={`flex w-full flex-col gap-5 ${wide ? "max-w-xl" : "max-w-sm"}`}>
        <Logo />
        <div className="panel flex flex-col gap-5 p-5 sm:p-6">
          <div className="flex flex-col gap-1">
            <h1 className="text-xl font-semibold">{title}</h1>
            {lead && <p className="text-soft">{lead}</p>}
          </div>
          {children}
        </div>
      </div>
    </main>
  );
}
