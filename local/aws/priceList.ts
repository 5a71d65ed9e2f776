import { type LocalService, serveJsonService } from './localService.ts'

/** A product of AWS's Price List as a test declares it: `usage` is its usage type, `family` its product family. */
export type DeclaredProduct = {
  service: string
  region: string
  family?: string
  usage: string
  attributes?: Record<string, string>
  unit?: string
  /** US dollars for a unit, from this quantity on. */
  prices: { from?: number; usd: string }[]
}

type Request = {
  ServiceCode?: string
  Filters?: { Type: string; Field: string; Value: string }[]
  MaxResults?: number
  NextToken?: string
}

/** Starts AWS's Price List in this process, on a free port of 127.0.0.1. A page has two products, so tests see several pages. */
export const startPriceList = (declared: DeclaredProduct[]): Promise<LocalService> =>
  serveJsonService('AWSPriceListService', (action, request) => answerPriceListCall(declared, action, request))

const PAGE_PRODUCT_COUNT = 2

/** Answers one call. An answer with `__type` is an error. */
export function answerPriceListCall(declared: DeclaredProduct[], action: string, request: Request): object {
  const { ServiceCode, Filters = [], NextToken = '0' } = request
  if (action !== 'GetProducts') return { __type: 'InvalidParameterException', Message: action }
  if (Filters.some(({ Type }) => Type !== 'TERM_MATCH'))
    return { __type: 'InvalidParameterException', Message: 'Type' }
  const found = declared
    .filter(({ service }) => service === ServiceCode)
    .map(productOf)
    .filter(({ productFamily, attributes }) => {
      const fields: Record<string, string> = { ...attributes, productFamily }
      return Filters.every(({ Field, Value }) => fields[Field] === Value)
    })
  const start = Number(NextToken)
  const page = found.slice(start, start + PAGE_PRODUCT_COUNT)
  const more = start + PAGE_PRODUCT_COUNT < found.length
  return {
    FormatVersion: 'aws_v1',
    PriceList: page.map(({ terms, ...product }) =>
      JSON.stringify({
        product,
        serviceCode: ServiceCode,
        terms,
        version: '20261130',
        publicationDate: '2026-11-30T00:00:00Z',
      }),
    ),
    ...(more && { NextToken: `${start + PAGE_PRODUCT_COUNT}` }),
  }
}

/** A product and its terms as the Price List has them. */
function productOf({ region, family = '', usage, attributes = {}, unit = 'Units', prices }: DeclaredProduct) {
  const dimensions = prices.map(({ from = 0, usd }, tier) => [
    `SKU.TERM.${tier}`,
    { unit, beginRange: `${from}`, endRange: 'Inf', pricePerUnit: { USD: usd } },
  ])
  return {
    productFamily: family,
    attributes: { regionCode: region, usagetype: usage, ...attributes },
    sku: 'SKU',
    terms: { OnDemand: { 'SKU.TERM': { priceDimensions: Object.fromEntries(dimensions) } } },
  }
}
