import { useQuery } from "@tanstack/react-query";

import { apiUrl } from "../../api/client";
import { custodyQuery } from "../../api/queries";
import { Fact, Facts, Panel } from "../../components/Page";

/** What somebody compares who verifies a copy of footage (the key, and where each volume's log ends); and a backup. */
export function CustodyPanel() {
  const custody = useQuery(custodyQuery);
  if (!custody.data) {
    return null;
  }
  return (
    <Panel title="Proof and backup">
      <Facts>
        <Fact name="Fingerprint of the key">
          <code className="break-all text-xs">{custody.data.key_sha256}</code>
        </Fact>
        {custody.data.logs.map((log) => (
          <Fact key={log.volume} name={`End of the log of ${log.volume}`}>
            <code className="break-all text-xs">{log.head}</code>
            <span className="text-soft"> ({log.lines} lines)</span>
          </Fact>
        ))}
        <Fact name="Settings and catalog">
          <a className="underline" href={apiUrl("/system/backup")} download>
            Download a backup
          </a>{" "}
          <span className="text-soft">(without keys and footage)</span>
        </Fact>
      </Facts>
    </Panel>
  );
}
