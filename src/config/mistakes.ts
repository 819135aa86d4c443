import type { z } from "zod";
import { StartError } from "../errors.ts";
import { nearNames } from "../near-names.ts";

/**
 * What is wrong with the value of a variable, as a sentence after a blank; empty when what it accepts is all
 * there is to say.
 */
export function mistakeIn(value: string | undefined, issue: z.core.$ZodIssue | undefined): string {
  return issue === undefined ? "" : slipIn(value, issue) || placeOf(issue);
}

/**
 * A word of a list that is nearly an accepted one. Any other word is not shown, because it may be a secret.
 */
function slipIn(value: string | undefined, issue: z.core.$ZodIssue): string {
  if (value === undefined || issue.code !== "invalid_value") return "";
  const known = issue.values.map(String);
  for (const word of value.split(",").map((part) => part.trim())) {
    const [near] = nearNames(word, known);
    if (near !== undefined && near !== word) return ` It names ${word}: did you mean ${near}?`;
  }
  return "";
}

/**
 * The field of a value with several parts, or the reason of a check of our own. Only names of fields are
 * shown, never values.
 */
function placeOf({ path: [, ...within], ...issue }: z.core.$ZodIssue): string {
  const unknown =
    issue.code === "unrecognized_keys" ? issue.keys.find((key) => /^\w{1,40}$/.test(key)) : undefined;
  if (unknown !== undefined) return ` There is no field ${[...within, unknown].join(".")}.`;
  if (within.some((part) => typeof part === "string")) return ` What is wrong is ${within.join(".")}.`;
  return issue.code === "custom" && issue.message in ownWords ? ` ${ownWords[issue.message]}` : "";
}

const ownWords: Readonly<Record<string, string>> = {
  "not JSON": "It is no JSON.",
  "cannot be read": "There is no file of that path that can be read.",
};

/** The error for an unknown name in a setting, with the names that were perhaps meant. */
export function unknownName(
  variable: string,
  name: string,
  what: string,
  known: Iterable<string>,
): StartError {
  const near = nearNames(name, [...known]);
  const advice = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
  return new StartError(`${variable} names ${name}, which is no ${what}.${advice}`);
}
