/**
 * Whether a KMS key is the customer's own. The keys that AWS manages have an alias that begins with `aws/`, by which the services
 * name them; undefined stands for such a key, too.
 */
export const isCustomerKey = (keyId: string | undefined): keyId is string =>
  keyId !== undefined && !/(?:^|:)alias\/aws\//.test(keyId)
