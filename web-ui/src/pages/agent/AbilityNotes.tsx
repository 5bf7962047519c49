import { useQuery } from "@tanstack/react-query";

import { systemQuery } from "../../api/queries";
import { Note } from "../../components/Note";

/** Says what this box is not able to do, and what to do about it; nothing when all is well. */
export function AbilityNotes() {
  const system = useQuery(systemQuery);
  const { footage_problem: footage, sdk_problem: library, sdk_folder: folder } = system.data ?? {};
  return (
    <>
      {footage && (
        <div data-testid="footage-problem">
          <Note tone="bad" title="This box cannot make footage">
            <p>{footage}</p>
            <p className="mt-1 text-soft">
              Nothing new is kept until that is put right. Recorders still hold their footage, and it is fetched then.
            </p>
          </Note>
        </div>
      )}
      {library && (
        <div data-testid="sdk-problem">
          <Note tone="warn" title="The recorder library is missing">
            <p>{library}</p>
            <p className="mt-1 text-soft">
              It is looked for in <code>{folder}</code>. Recorders that are reached through it have to wait until it is
              there; those over their web interface (ISAPI) and footage that is held do not need it.
            </p>
          </Note>
        </div>
      )}
    </>
  );
}
