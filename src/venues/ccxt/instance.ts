/** What is used of a ccxt exchange. Its own types are `any` almost everywhere, so they are stated here. */
export interface Exchange {
  /** Sent with every request, such as OKX's header for simulated trading. */
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly options: Record<string, unknown>;
  walletAddress?: string;
  privateKey?: string;
  ethGetAddressFromPrivateKey(privateKey: string): string;
  sign: (
    path: string,
    api: string | readonly string[],
    method: string,
    params: object,
    ...rest: readonly unknown[]
  ) => Signed;
  nonce: () => number;
  json: (value: unknown, ...rest: readonly unknown[]) => string;
  parseJson: (text: string) => unknown;
  /** Throws where the venue said no in a way that ccxt knows. */
  handleErrors: (...answer: unknown[]) => unknown;
  loadMarkets(): Promise<unknown>;
  fetchBalance(): Promise<unknown>;
  setMarkets(markets: readonly never[]): unknown;
  setMarketsFromExchange(source: Exchange): void;
  setSandboxMode(enabled: boolean): void;
  enableDemoTrading(enabled: boolean): void;
}

export type Signed = Readonly<{
  url: string;
  method: string;
  headers?: Exchange["headers"] | null;
  body?: string | null;
}>;

/** A request of a venue's own API, as ccxt's `sign` takes it. */
export type ApiRequest = Readonly<{
  api: string | readonly string[];
  path: string;
  method: string;
  params?: object;
}>;
