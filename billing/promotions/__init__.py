"""What customers get on top of what they pay, beside the bonus of the payment method: coupons."""
