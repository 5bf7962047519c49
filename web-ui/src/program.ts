/** Which of the two programs serves this page; the shared pages ask for what only one of them has. */
import { createContext, useContext } from "react";

export type Program = "agent" | "relay";

export const ProgramContext = createContext<Program>("agent");

export function useProgram(): Program {
  return useContext(ProgramContext);
}
