import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { apiUrl, demand } from "../../api/client";
import { meQuery } from "../../api/queries";
import type { ClaimRequest, Site } from "../../api/types";
import { Button } from "../../components/Button";
import { TextField } from "../../components/Field";
import { ProblemNote } from "../../components/Note";
import { useNotice } from "../../components/Notices";

/** Joins an appliance to the organisation by the code on its page or console. */
export function ClaimForm({ onDone }: { onDone: () => void }) {
  const [draft, setDraft] = useState({ code: "", site_name: "", organisation_id: "" });
  // Who belongs to no organisation has to name one.
  const nameOrganisation = useQuery(meQuery).data?.organisation_id === null;
  const client = useQueryClient();
  const tell = useNotice();
  const claim = useMutation({
    mutationFn: () => {
      const { organisation_id, ...rest } = draft;
      const request: ClaimRequest = organisation_id ? { ...rest, organisation_id } : rest;
      return demand<Site>("POST", apiUrl("/appliances/claim"), request);
    },
    onSuccess: async (site) => {
      await client.invalidateQueries({ queryKey: ["site"] });
      tell(`${site.name} has joined. Its footage is listed as soon as it reports.`);
      onDone();
    },
  });
  return (
    <form
      className="flex flex-col gap-4"
      data-testid="claim-form"
      onSubmit={(event) => {
        event.preventDefault();
        claim.mutate();
      }}
    >
      <TextField
        label="Claim code"
        name="code"
        required
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        placeholder="ABCD-1234"
        hint="On the appliance’s page under System, or on its console."
        value={draft.code}
        onChange={(event) => setDraft({ ...draft, code: event.target.value.toUpperCase() })}
      />
      <TextField
        label="Name of the site"
        name="site_name"
        required
        placeholder="Warehouse North"
        value={draft.site_name}
        onChange={(event) => setDraft({ ...draft, site_name: event.target.value })}
      />
      {nameOrganisation && (
        <TextField
          label="Organisation (id)"
          name="organisation_id"
          spellCheck={false}
          hint="Which organisation the site joins; you belong to none yourself."
          value={draft.organisation_id}
          onChange={(event) => setDraft({ ...draft, organisation_id: event.target.value.trim() })}
        />
      )}
      <ProblemNote error={claim.error} />
      <Button type="submit" look="primary" busy={claim.isPending}>
        Claim
      </Button>
    </form>
  );
}
