import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { grantedScopes, roles, scopes } from "../../../src/access/permissions.ts";

const guide = readFileSync(new URL("../../../docs/guides/access.md", import.meta.url), "utf8")
  .replaceAll(/ +\|/g, " |")
  .replaceAll(/\| +/g, "| ");
const roleNames = ["owner", "admin", "trader", "viewer", "auditor"] as const;

describe("the guide to access", () => {
  it.each(scopes)("tells who may have %s", (scope) => {
    const cells = roleNames.map((role) => (grantedScopes(role, [scope], false).has(scope) ? "yes" : ""));
    const never = grantedScopes("owner", [scope], true).has(scope) ? "" : "never";

    expect(guide).toContain(
      ["", `\`${scope}\``, ...cells, never, ""].join(" | ").replaceAll(/ +/g, " ").trim(),
    );
  });

  it.each(roleNames)("tells how far %s reaches", (role) => {
    expect(guide).toContain(`| ${role} | ${roles[role].reach} |`);
  });

  it("knows every role", () => {
    expect(Object.keys(roles)).toEqual(roleNames);
  });
});
