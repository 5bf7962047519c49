/** What a role is offered. The program decides again on every request; here it only keeps dead ends off the page. */
import type { Role } from "./api/types";

const ADMINS: readonly Role[] = ["super_admin", "org_admin"];
const OPERATORS: readonly Role[] = [...ADMINS, "operator"];

const ALLOWED = {
  download: OPERATORS,
  lock: OPERATORS,
  sync: OPERATORS,
  archive: OPERATORS,
  delete: ADMINS,
  claim: ADMINS,
  update: ADMINS,
  manage: ADMINS,
} satisfies Record<string, readonly Role[]>;

export type Action = keyof typeof ALLOWED;

export function may(role: Role, action: Action): boolean {
  return ALLOWED[action].includes(role);
}
