import { isDeepStrictEqual } from "node:util";
import type { KeyPermissions } from "../accounts.ts";
import { Refused } from "../refusal.ts";

/** Every key may read, and no key of a sub-account may withdraw. */
export const subPermissions = (given: Pick<KeyPermissions, "trade" | "transfer">): KeyPermissions => ({
  read: true,
  withdraw: false,
  ...given,
});

/**
 * A new key can be given what keys here are shown to have, and nothing else: rights are all or nothing in the simulator,
 * so a client that leaves one word out is refused. Throws `Refused`.
 */
export function demandSame(asked: unknown, shown: unknown): void {
  if (!isDeepStrictEqual(asked, shown)) throw new Refused("malformed_request");
}

/** What may write to anything. */
export const writes = ({ trade, withdraw, transfer }: KeyPermissions): boolean =>
  trade || withdraw || transfer;

/** The parts of a comma-separated list. */
export const listed = (text: string | undefined): readonly string[] =>
  text === undefined || text === "" ? [] : text.split(",").map((part) => part.trim());

export const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((part) => typeof part === "string");

/** A page of that many items, counted from the cursor, and the cursor of the next page where there is one. */
export function pageOf<T>(
  items: readonly T[],
  limit: number,
  cursor: string | undefined,
): Readonly<{ items: readonly T[]; next: string | undefined }> {
  const from = Number(cursor ?? 0);
  const end = from + limit;
  return { items: items.slice(from, end), next: end < items.length ? String(end) : undefined };
}
