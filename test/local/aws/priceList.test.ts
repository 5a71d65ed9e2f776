import { describe, expect, test } from 'vitest'
import { priceListQueries } from '../../../fleet/cost/priceList.ts'
import { answerPriceListCall } from '../../../local/aws/priceList.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { ServiceModel } from '../../support/serviceModel.ts'

const bin = await pythonBin()

describe.skipIf(!bin)("the double of the Price List, held to AWS's model of the service", () => {
  test('its answers and the requests match the model', async () => {
    const model = await ServiceModel.load(bin ?? '', 'pricing')
    const product = { service: 'awskms', region: 'eu-west-1', usage: 'x', prices: [{ usd: '1' }] }
    for (const { service: ServiceCode, family } of priceListQueries) {
      const request = {
        ServiceCode,
        MaxResults: 100,
        Filters: [
          { Type: 'TERM_MATCH', Field: 'regionCode', Value: 'eu-west-1' },
          ...(family ? [{ Type: 'TERM_MATCH', Field: 'productFamily', Value: family }] : []),
        ],
      }
      expect(model.problemsInRequest('GetProducts', request)).toEqual([])
      const answer = answerPriceListCall([product, product, product], 'GetProducts', request)
      expect(model.problemsInAnswer('GetProducts', 200, answer as never)).toEqual([])
    }
    const refused = answerPriceListCall([], 'DescribeServices', {})
    expect(model.problemsInAnswer('GetProducts', 400, refused as never)).toEqual([])
  })
})
