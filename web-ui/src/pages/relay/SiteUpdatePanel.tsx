/** The system that runs at a site, a newer one that is offered, and what is being sent. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Send } from "lucide-react";

import { apiUrl, demand } from "../../api/client";
import { meQuery, siteUpdateQuery } from "../../api/queries";
import type { InstallWhen, SiteUpdate, UpdateDelivery } from "../../api/types";
import { Button } from "../../components/Button";
import { ProblemNote } from "../../components/Note";
import { Fact, Facts, Panel } from "../../components/Page";
import { may } from "../../may";
import { bytesText } from "../../words";
import { ProgressView } from "../update/Progress";

export function SiteUpdatePanel({ site }: { site: string }) {
  const query = siteUpdateQuery(site);
  const update = useQuery(query);
  const { data: me } = useQuery(meQuery);
  if (!update.data) {
    return <ProblemNote error={update.error} />;
  }
  const { told, offered, delivery } = update.data;
  const mayManage = me !== undefined && me !== null && may(me.role, "update");
  return (
    <Panel title="Updates">
      <div data-testid="site-update">
        <Facts>
          <Fact name="System">{told?.running ? <code>{told.running}</code> : told ? "Not the appliance image" : "Not told yet"}</Fact>
          <Fact name="Offered">
            {offered ? (
              <>
                <code>{offered.version}</code> <span className="text-soft">· {bytesText(offered.bytes)}</span>
              </>
            ) : (
              "Nothing newer"
            )}
          </Fact>
          {delivery && (
            <Fact name="Sent from here">
              <code>{delivery.version}</code>: {deliveryText(delivery)}
            </Fact>
          )}
        </Facts>
        {told && told.unable !== null && <p className="px-4 pb-3 wrap-anywhere text-soft">{told.unable}</p>}
        {told && <ProgressView progress={told.progress} />}
        {mayManage && told?.unable === null && <Actions site={site} update={update.data} />}
      </div>
    </Panel>
  );
}

function deliveryText(delivery: UpdateDelivery): string {
  const by = delivery.asked_by === null ? "by itself" : `for ${delivery.asked_by}`;
  switch (delivery.state) {
    case "pending":
      return delivery.message === null ? `on its way, ${by}` : `goes on later, ${by}. ${delivery.message}`;
    case "delivered":
      return `delivered, ${by}`;
    case "failed":
      return `not delivered. ${delivery.message ?? ""}`;
  }
}

function Actions({ site, update }: { site: string; update: SiteUpdate }) {
  const client = useQueryClient();
  const onSuccess = (told: SiteUpdate) => client.setQueryData(siteUpdateQuery(site).queryKey, told);
  const path = apiUrl(`/sites/${site}/update`);
  const send = useMutation({
    mutationFn: (wanted: { version: string; when?: InstallWhen }) => demand<SiteUpdate>("POST", path, wanted),
    onSuccess,
  });
  const callOff = useMutation({ mutationFn: () => demand<SiteUpdate>("DELETE", path), onSuccess });
  const set = useMutation({
    mutationFn: (automatic: boolean) => demand<SiteUpdate>("PUT", path, { automatic }),
    onSuccess,
  });
  const { offered, delivery } = update;
  const isOnItsWay = delivery?.state === "pending";
  const isThere = delivery?.state === "delivered" && delivery.version === offered?.version;
  return (
    <div className="flex flex-col gap-3 border-t border-line px-4 py-3">
      <div className="flex flex-wrap gap-2">
        {offered && !isOnItsWay && !isThere && (
          <>
            <Button
              look="primary"
              icon={Send}
              data-testid="site-update-send"
              busy={send.isPending}
              onClick={() => send.mutate({ version: offered.version, when: "window" })}
            >
              Send, and install in the quiet window
            </Button>
            <Button
              data-testid="site-update-now"
              busy={send.isPending}
              onClick={() => send.mutate({ version: offered.version, when: "now" })}
            >
              Send, and install at once
            </Button>
          </>
        )}
        {isOnItsWay && (
          <Button look="quiet" data-testid="site-update-call-off" busy={callOff.isPending} onClick={() => callOff.mutate()}>
            Call it off
          </Button>
        )}
      </div>
      <label className="flex items-start gap-2">
        <input
          type="checkbox"
          className="mt-1"
          checked={update.automatic}
          disabled={set.isPending}
          onChange={(event) => set.mutate(event.target.checked)}
          data-testid="site-update-automatic"
        />
        <span>
          Send newer systems by itself.
          <span className="block text-xs text-soft">
            The box installs them in its quiet window, and goes back by itself from one that is not well.
          </span>
        </span>
      </label>
      <ProblemNote error={send.error ?? callOff.error ?? set.error} />
    </div>
  );
}
