import { useQuery } from "@tanstack/react-query";

import { systemQuery } from "../../api/queries";
import { Note } from "../../components/Note";

/** Says what is missing of the vendor's library and where to put it; nothing when it is there. */
export function SdkNote() {
  const system = useQuery(systemQuery);
  if (!system.data?.sdk_problem) {
    return null;
  }
  return (
    <div data-testid="sdk-problem">
      <Note tone="warn" title="The recorder library is missing">
        <p>{system.data.sdk_problem}</p>
        <p className="mt-1 text-soft">
          It is looked for in <code>{system.data.sdk_folder}</code>. Recorders that are reached through it have to
          wait until it is there; those over their web interface (ISAPI) and footage that is held do not need it.
        </p>
      </Note>
    </div>
  );
}
