import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { apiUrl, demand } from "../api/client";
import { setMe } from "../api/queries";
import type { LoginResponse } from "../api/types";
import { Button } from "../components/Button";
import { TextField } from "../components/Field";
import { ProblemNote } from "../components/Note";
import { useProgram } from "../program";
import { Entrance } from "./Entrance";

export function LoginPage() {
  const onAgent = useProgram() === "agent";
  // On the LAN there is one account, and its name is no secret.
  const [username, setUsername] = useState(onAgent ? "admin" : "");
  const [password, setPassword] = useState("");
  const client = useQueryClient();
  const login = useMutation({
    mutationFn: () => demand<LoginResponse>("POST", apiUrl("/auth/login"), { username, password }),
    onSuccess: ({ user }) => setMe(client, user),
  });
  return (
    <Entrance title="Log in">
      <form
        className="flex flex-col gap-4"
        data-testid="login-form"
        onSubmit={(event) => {
          event.preventDefault();
          login.mutate();
        }}
      >
        <TextField
          label={onAgent ? "User name" : "E-mail address"}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          autoFocus={!onAgent}
          value={username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          autoFocus={onAgent}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <ProblemNote error={login.error} />
        <Button type="submit" look="primary" busy={login.isPending}>
          Log in
        </Button>
      </form>
    </Entrance>
  );
}
