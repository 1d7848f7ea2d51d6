/**
 * Dollars that a run may spend. Before a sample begins, the most it can cost is set aside; when it has ended, what it
 * did cost is spent.
 */
export interface Budget {
  /**
   * Waits until the amount fits beside what is spent and set aside. False where it does not fit beside what is spent
   * alone: no waiting helps then.
   */
  reserve(usd: number): Promise<boolean>;
  settle(reservedUsd: number, costUsd: number): void;
  spent(): number;
}

export function createBudget(maxUsd: number, spentUsd: number): Budget {
  let spent = spentUsd;
  let reserved = 0;
  let inFlight = 0;
  let waiting: (() => void)[] = [];
  return {
    async reserve(usd) {
      for (;;) {
        if (spent + usd > maxUsd) return false;
        if (spent + reserved + usd <= maxUsd) break;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      reserved += usd;
      inFlight++;
      return true;
    },
    settle(reservedUsd, costUsd) {
      inFlight--;
      // What rounding leaves must not keep the last dollar away.
      reserved = inFlight === 0 ? 0 : reserved - reservedUsd;
      spent += costUsd;
      const all = waiting;
      waiting = [];
      for (const resolve of all) resolve();
    },
    spent: () => spent,
  };
}
