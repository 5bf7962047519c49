import { Link } from "@tanstack/react-router";
import { MapPinOff } from "lucide-react";

import { Empty } from "../components/Note";
import { Page } from "../components/Page";

export function NotFoundPage() {
  return (
    <Page title="Not found">
      <Empty icon={MapPinOff} title="There is no such page">
        <Link to="/" className="text-accent underline">
          Go to the first page
        </Link>
      </Empty>
    </Page>
  );
}
