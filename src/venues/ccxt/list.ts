import { z } from "zod";
import { fieldNames } from "../venue.ts";
import exchanges from "./exchanges.json" with { type: "json" };

const exchangeFacts = z.strictObject({
  id: z.string(),
  name: z.string(),
  fields: z.array(z.enum(fieldNames)),
  /** Whether ccxt has sandbox hosts for it. */
  sandbox: z.boolean(),
  /** Whether reading the balance depends on the secret; where it does not, a read proves nothing. */
  provable: z.boolean(),
  /** Keyhold's operations that ccxt declares for it. */
  operations: z.array(z.string()),
});

/** What is known of one exchange of ccxt without loading ccxt. */
export type ExchangeFacts = Readonly<z.infer<typeof exchangeFacts>>;

/** Every exchange of the installed ccxt, from a table that `generate.ts` writes. */
export const exchangeList: readonly ExchangeFacts[] = z.array(exchangeFacts).parse(exchanges);
