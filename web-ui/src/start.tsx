/** What both entry points have in common: the query client, the preferences and the router around the pages. */
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRouter, RouterProvider, type AnyRoute } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { ApiProblem, isLoggedOut, isPassing, problemCode } from "./api/problem";
import { meQuery, setMe } from "./api/queries";
import { NoticesProvider } from "./components/Notices";
import { PreferencesProvider } from "./preferences";
import { ProgramContext, type Program } from "./program";
import "./styles.css";

/** A failure that passes by itself is tried again this often. */
const RETRIES = 2;

function makeQueryClient(): QueryClient {
  const onError = (error: Error) => {
    if (!(error instanceof ApiProblem)) {
      return;
    }
    if (isLoggedOut(error.problem)) {
      setMe(client, null);
    } else if (problemCode(error.problem) === "AUTH_PASSWORD_CHANGE_REQUIRED") {
      void client.invalidateQueries({ queryKey: meQuery.queryKey });
    }
  };
  const client = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (failures, error) => failures < RETRIES && error instanceof ApiProblem && isPassing(error.problem),
      },
    },
  });
  return client;
}

/** Shows the pages of one program. */
export function start(program: Program, routeTree: AnyRoute): void {
  const root = document.getElementById("root");
  if (root === null) {
    throw new Error("the page has no #root");
  }
  const router = createRouter({ routeTree, scrollRestoration: true });
  createRoot(root).render(
    <StrictMode>
      <ProgramContext value={program}>
        <PreferencesProvider>
          <QueryClientProvider client={makeQueryClient()}>
            <NoticesProvider>
              <RouterProvider router={router} />
            </NoticesProvider>
          </QueryClientProvider>
        </PreferencesProvider>
      </ProgramContext>
    </StrictMode>,
  );
}
