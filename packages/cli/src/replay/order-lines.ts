/**
 * Order lines of a CSV file, plain or gzipped, read as a stream.
 *
 * Columns, named in the first line: InvoiceNo, StockCode, Description, Quantity, UnitPrice, CustomerID, Country; others
 * are left alone. An InvoiceNo that starts with C is a cancellation; a line without CustomerID is a guest's.
 */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { CausewayError } from '@causeway/protocol';
import { parse } from 'csv-parse';

export interface OrderLine {
  readonly stockCode: string;
  readonly description: string;
  readonly quantity: number;
  readonly unitPrice: number;
  /** '' for a guest. */
  readonly customer: string;
  readonly country: string;
  readonly cancelled: boolean;
}

const COLUMNS = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'UnitPrice', 'CustomerID', 'Country'];

/** Throws CAUSEWAY_BAD_REQUEST with the line's number for what is no order line. */
export async function* readOrderLines(file: string): AsyncGenerator<OrderLine> {
  const parser = parse({
    columns: (header: string[]) => checkHeader(header, file),
    bom: true,
    skip_empty_lines: true,
  });
  const source = createReadStream(file);
  const ended = file.endsWith('.gz') ? pipeline(source, createGunzip(), parser) : pipeline(source, parser);
  // The parser throws the same where it is read.
  ended.catch(() => {});
  let number = 1;
  try {
    for await (const fields of parser as AsyncIterable<Record<string, string>>) {
      number++;
      yield toOrderLine(fields, `${file}, line ${number}`);
    }
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', `${file}: ${(error as Error).message}`, { cause: error });
  }
}

function checkHeader(header: readonly string[], file: string): string[] {
  const missing = COLUMNS.filter((column) => !header.includes(column));
  if (missing.length === 0) return [...header];
  throw new CausewayError(
    'CAUSEWAY_BAD_REQUEST',
    `${file} has no column ${missing.join(', ')}: it must be a file of order lines`,
  );
}

function toOrderLine(fields: Readonly<Record<string, string>>, where: string): OrderLine {
  const text = (column: string): string => fields[column] ?? '';
  const quantity = Number(text('Quantity'));
  const unitPrice = Number(text('UnitPrice'));
  if (!Number.isSafeInteger(quantity) || !Number.isFinite(unitPrice) || text('StockCode') === '') {
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', `${where}: no order line: ${JSON.stringify(fields)}`);
  }
  return {
    stockCode: text('StockCode'),
    description: text('Description'),
    quantity,
    unitPrice,
    customer: text('CustomerID'),
    country: text('Country'),
    cancelled: text('InvoiceNo').startsWith('C'),
  };
}
