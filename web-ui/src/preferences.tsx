/** What a person has chosen for this browser: theme and zone. Kept in the browser, never sent. */
import { createContext, useContext, useLayoutEffect, useMemo, useState, type ReactNode } from "react";

import type { Zone } from "./time";

export type Theme = "system" | "dark" | "light";

interface Preferences {
  theme: Theme;
  setTheme: (theme: Theme) => void;
  zone: Zone;
  setZone: (zone: Zone) => void;
}

const Context = createContext<Preferences | null>(null);

export function PreferencesProvider({ children }: { children: ReactNode }) {
  const [theme, setTheme] = useKept<Theme>("hf.theme", ["system", "dark", "light"]);
  const [zone, setZone] = useKept<Zone>("hf.zone", ["local", "utc"]);
  useLayoutEffect(() => {
    const root = document.documentElement;
    if (theme === "system") {
      delete root.dataset["theme"];
    } else {
      root.dataset["theme"] = theme;
    }
  }, [theme]);
  const value = useMemo(() => ({ theme, setTheme, zone, setZone }), [theme, setTheme, zone, setZone]);
  return <Context value={value}>{children}</Context>;
}

export function usePreferences(): Preferences {
  const value = useContext(Context);
  if (value === null) {
    throw new Error("usePreferences needs a PreferencesProvider");
  }
  return value;
}

/** A choice kept in local storage; anything unknown in there counts as the first choice. */
function useKept<T extends string>(key: string, choices: readonly [T, ...T[]]): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const kept = localStorage.getItem(key);
    return choices.find((choice) => choice === kept) ?? choices[0];
  });
  const [keep] = useState(() => (next: T) => {
    localStorage.setItem(key, next);
    setValue(next);
  });
  return [value, keep];
}
