import type { ReactNode } from "react";

/** Covers the place of the picture, always dark as the picture would be, with something to read. */
export function Curtain({ children }: { children: ReactNode }) {
  return (
    <div className="always-dark absolute inset-0 flex flex-col items-center justify-center gap-3 bg-ground p-4 text-center text-ink">
      {children}
    </div>
  );
}
