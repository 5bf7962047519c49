import { useInfiniteQuery } from "@tanstack/react-query";
import { FileArchive, Plus } from "lucide-react";
import { useState } from "react";

import { archivesQuery } from "../../api/queries";
import { Button, Waiting } from "../../components/Button";
import { Empty, ProblemNote } from "../../components/Note";
import { Page } from "../../components/Page";
import { useMay } from "../Gate";
import { ArchivePanel } from "./ArchivePanel";
import { BuildDialog } from "./BuildDialog";

/** The archives of the appliance: made, downloaded, cleared. */
export function ArchivesPage() {
  const [asking, setAsking] = useState(false);
  const mayBuild = useMay("archive");
  const list = useInfiniteQuery(archivesQuery);
  const archives = list.data?.pages.flatMap((page) => page.items) ?? [];
  const build = mayBuild && (
    <Button look="primary" icon={Plus} data-testid="build-archive" onClick={() => setAsking(true)}>
      Build an archive
    </Button>
  );
  return (
    <Page title="Archives" actions={archives.length > 0 && build}>
      <ProblemNote error={list.error} onRetry={() => void list.refetch()} />
      {list.isPending && <Waiting />}
      {list.isSuccess && archives.length === 0 && (
        <Empty icon={FileArchive} title="No archives yet">
          <p>
            An archive is one ZIP file with all recordings of a range of days, to take along. When you have downloaded it,
            clearing it makes room here.
          </p>
          {build}
        </Empty>
      )}
      {archives.map((archive) => (
        <ArchivePanel key={archive.id} archive={archive} />
      ))}
      {list.hasNextPage && (
        <Button className="self-center" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Load more
        </Button>
      )}
      {asking && <BuildDialog onClose={() => setAsking(false)} />}
    </Page>
  );
}
