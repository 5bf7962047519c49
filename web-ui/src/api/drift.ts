/**
 * Proves to the compiler that the types of the pages are those of the programs; never part of a page.
 *
 * The pages do not use the generated types themselves: those make every field that may be null optional too, although
 * the programs always send it.
 */
import type { components } from "./relay";
import type * as page from "./types";

type Relay = components["schemas"];

/** Without the difference between null and absent. */
type Plain<T> = T extends (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { [Key in keyof T]-?: Plain<NonNullable<T[Key]>> }
    : T;

/** The fields that may be null or absent. */
type Open<T> = { [Key in keyof T]-?: null extends T[Key] ? Key : undefined extends T[Key] ? Key : never }[keyof T];

type Same<A, B> = [Plain<A>, Open<A>] extends [Plain<B>, Open<B>]
  ? [Plain<B>, Open<B>] extends [Plain<A>, Open<A>]
    ? true
    : false
  : false;

/** Does not compile when any of them has drifted; then `npm run types` and mend `types.ts`. */
type AllTrue<T extends true[]> = T;

export type Checked = AllTrue<
  [
    Same<page.Camera, Relay["Camera"]>,
    Same<page.Recording, Relay["Recording"]>,
    Same<page.Site, Relay["Site"]>,
    Same<page.Me, Relay["Me"]>,
    Same<page.StreamLink, Relay["StreamLink"]>,
    Same<page.Gap, Relay["Gap"]>,
    Same<page.Completeness, Relay["Completeness"]>,
    Same<page.OverwriteRisk, Relay["OverwriteRisk"]>,
    Same<page.ClaimRequest, Relay["ClaimRequest"]>,
    Same<page.UpdateDelivery, Relay["UpdateDelivery"]>,
  ]
>;
