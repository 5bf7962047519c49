/**
 * Makes `src/api/{agent,relay}.d.ts` out of the OpenAPI documents that the programs print of themselves into `openapi/`.
 * Only the schemas: routes are called by their paths, and pages know which bodies they get.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const at = (path) => new URL(path, import.meta.url);

export const PROGRAMS = ["agent", "relay"].filter((program) => existsSync(at(`openapi/${program}.json`)));

/** The declarations of one program. */
export async function declarations(program) {
  const document = JSON.parse(readFileSync(at(`openapi/${program}.json`), "utf8"));
  const { schemas } = document.components;
  return astToString(await openapiTS({ ...document, paths: {}, components: { schemas } }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const program of PROGRAMS) {
    writeFileSync(at(`src/api/${program}.d.ts`), await declarations(program));
  }
}
