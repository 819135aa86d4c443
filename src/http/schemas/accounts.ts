import { z } from "zod";
import { component, listOf } from "../components.ts";
import { freezeExample, freezes, id, revision, subject, switchedOffRank, text, time } from "./common.ts";

const accountExample = {
  id: "c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22",
  owner_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  name: "Main",
  active: true,
  switched_off_rank: null,
  frozen: true,
  freezes: [freezeExample],
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

export const account = component(
  "Account",
  z.object({
    id,
    owner_id: id,
    name: z.string(),
    active: z
      .boolean()
      .meta({ description: "The credentials of an account that is not active cannot be used" }),
    switched_off_rank: switchedOffRank,
    frozen: z.boolean(),
    freezes,
    revision,
    created_at: time,
    updated_at: time,
  }),
  accountExample,
);

const listedExample = { ...accountExample, owner_subject: "alice" };

export const accountList = listOf(
  "AccountList",
  component(
    "ListedAccount",
    account.extend({ owner_subject: subject.meta({ description: "Of the member who owns it" }) }),
    listedExample,
  ),
  listedExample,
);

export const newAccount = component(
  "NewAccount",
  z.strictObject({
    name: text(255),
    owner_id: id.exactOptional().meta({ description: "Another member than yourself takes an administrator" }),
  }),
  { name: "Main" },
);

export const accountUpdate = component(
  "AccountUpdate",
  z.strictObject({ name: text(255).exactOptional(), active: z.boolean().exactOptional() }),
  { active: false },
);
