/** Writes `licences.txt` beside both pages: the licences of the libraries within ask to travel with them. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const here = new URL(".", import.meta.url).pathname;
const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));

const texts = Object.entries(lock.packages)
  .filter(([path, { dev, optional }]) => path !== "" && !dev && !optional)
  .map(([path, { version, license }]) => {
    const file = readdirSync(join(here, path)).find((name) => /^licen[cs]e/i.test(name));
    const text = file ? readFileSync(join(here, path, file), "utf8").trim() : `License: ${license}`;
    return `${path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)} ${version}\n\n${text}`;
  });

for (const program of ["agent", "relay"]) {
  writeFileSync(join(here, "dist", program, "licences.txt"), `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`);
}
