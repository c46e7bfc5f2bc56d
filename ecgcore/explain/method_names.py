"""What the methods are called for people, and what each can tell apart; without torch."""

NAMES = {
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "Integrated gradients",
    "occlusion_lead": "Occlusion by lead",
    "occlusion_beat": "Occlusion by beat",
    "occlusion_wave": "Occlusion by wave",
    "guided_grad_cam": "Guided Grad-CAM (not to be relied on)",
}
TELLS = {
    "grad_cam": "tells places in the picture, as coarse as the cells of the network's last layer",
    "integrated_gradients": "tells leads and waves: one pixel column of a lead from the next",
    "occlusion_lead": "tells leads, over all the time: each is put to rest in turn",
    "occlusion_beat": "tells beats, over all leads: each is taken out in turn",
    "occlusion_wave": "tells P, QRS, ST and T of each lead, over all beats: each is taken out",
    "guided_grad_cam": "shows fine lines, but tells no more than Grad-CAM",
}
