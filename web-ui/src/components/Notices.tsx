/** Short messages about what just happened, told to screen readers too. They leave by themselves. */
import { X } from "lucide-react";
import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

import { IconButton } from "./Button";

/** Long enough to read two sentences. */
const SHOWN_MS = 8_000;

interface Notice {
  id: number;
  text: string;
}

const Context = createContext<(text: string) => void>(() => undefined);

export function NoticesProvider({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([]);
  const drop = useCallback((id: number) => setNotices((all) => all.filter((notice) => notice.id !== id)), []);
  const tell = useCallback(
    (text: string) => {
      const id = performance.now();
      setNotices((all) => [...all, { id, text }]);
      window.setTimeout(() => drop(id), SHOWN_MS);
    },
    [drop],
  );
  return (
    <Context value={tell}>
      {children}
      <div
        role="status"
        aria-live="polite"
        className="pointer-events-none fixed inset-x-4 bottom-20 z-30 flex flex-col items-center gap-2 md:bottom-6"
      >
        {notices.map(({ id, text }) => (
          <div
            key={id}
            className="panel pointer-events-auto flex max-w-lg items-center gap-2 py-1 pr-1 pl-4 shadow-xl"
            data-testid="notice"
          >
            {text}
            <IconButton icon={X} label="Dismiss" onClick={() => drop(id)} />
          </div>
        ))}
      </div>
    </Context>
  );
}

/** Tells the person something once. */
export function useNotice(): (text: string) => void {
  return useContext(Context);
}
