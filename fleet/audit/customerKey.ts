/** Whether a KMS key is one of the customer's own. The services may name those that AWS manages by their alias. */
export const isCustomerKey = (keyId: string | undefined): keyId is string =>
  keyId !== undefined && !/(?:^|:)alias\/aws\//.test(keyId)
