/** Decides what a visitor sees: the login, a forced change of password, or the pages. The address stays what it was. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, type ReactNode } from "react";

import { meQuery } from "../api/queries";
import type { Me } from "../api/types";
import { Waiting } from "../components/Button";
import { ProblemNote } from "../components/Note";
import { may, type Action } from "../may";
import { Entrance } from "./Entrance";
import { LoginPage } from "./LoginPage";
import { PasswordForm } from "./PasswordForm";

const MeContext = createContext<Me | null>(null);

export function Gate({ children }: { children: (me: Me) => ReactNode }) {
  const me = useQuery(meQuery);
  const client = useQueryClient();
  if (me.data === undefined) {
    return me.isError ? <NoAnswer error={me.error} onRetry={() => void me.refetch()} /> : <Waiting />;
  }
  if (me.data === null) {
    return <LoginPage />;
  }
  if (me.data.must_change_password) {
    return (
      <Entrance title="Choose a password" lead="The first password was made by the program and is used only once.">
        <PasswordForm
          username={me.data.username}
          onDone={() => void client.invalidateQueries({ queryKey: meQuery.queryKey })}
        />
      </Entrance>
    );
  }
  return <MeContext value={me.data}>{children(me.data)}</MeContext>;
}

/** The program does not answer at all: nothing can be decided. */
export function NoAnswer({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <Entrance title="Holdfast does not answer">
      <ProblemNote error={error} onRetry={onRetry} />
    </Entrance>
  );
}

/** Whether the person logged in is offered an action. */
export function useMay(action: Action): boolean {
  const me = useContext(MeContext);
  return me !== null && may(me.role, action);
}
